// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What attention's CPU kernels share, forward and backward: a head's rows, scratch memory. The products
// are common/gemm.h's; T is the type of the activations' elements.
#pragma once

#include "attention/attention.h"
#include "common/gemm.h"
#include "cpu_operations.h"

namespace lk::LK_ISA {

using attention::HeadRowsOf;
using attention::Sizes;

constexpr float kLog2E = 1.44269504f;

// Hands out pieces of a worker's scratch memory, each on cache lines of its own; without memory it
// counts how much there must be.
class Pieces {
 public:
  explicit Pieces(float* memory) : memory_(memory) {}
  float* take(int64_t elements) {
    float* piece = memory_ == nullptr ? nullptr : memory_ + used_;
    used_ += round_up(elements, 16);
    return piece;
  }
  int64_t used() const { return used_; }

 private:
  float* memory_;
  int64_t used_ = 0;
};

// A worker's part of the workspace.
template <class Scratch>
Scratch scratch_of(const Context& context, const Sizes& sizes, int worker) {
  const int64_t elements = Scratch(sizes, nullptr).elements;
  return Scratch(sizes, static_cast<float*>(context.workspace) + worker * elements);
}
template <class Scratch>
size_t workspace_of(const Context& context, const Sizes& sizes) {
  const size_t elements = static_cast<size_t>(Scratch(sizes, nullptr).elements);
  return elements * context.pool->threads() * sizeof(float);
}

inline void describe_shape(const Sizes& sizes) {
  const Size list[] = {{"batch", sizes.batch},
                       {"tokens", sizes.tokens},
                       {"heads", sizes.heads},
                       {"head_dim", sizes.head_dim}};
  lk::describe_sizes(list, 4);
}

inline Int first_lanes(int64_t n) { return lane_numbers() < static_cast<int32_t>(n); }

// The first `columns` of kLanes elements, which may be more.
template <class T>
inline void store_up_to(T* to, Vec v, int64_t columns) {
  if (columns >= kLanes) {
    store(to, v);
  } else {
    store_first(to, v, columns);
  }
}

// to[i] = factor * from[i].
template <class T>
inline void write_row(const float* from, float factor, int64_t columns, T* to) {
  for (int64_t j = 0; j < columns; j += kLanes) {
    store_up_to(to + j, load(from + j) * factor, columns - j);
  }
}

// A matrix's columns as panels of lanes, panel_units<T>(rows) apart: the vector operand of a sum over
// its rows. Some rows at a time, for each lies on a page of its own.
template <class T>
inline void pack_all_columns(const HeadRowsOf<T>& from, int64_t rows, int64_t columns, float* to) {
  constexpr int64_t kRows = 32;
  for (int64_t i = 0; i < rows; i += kRows) {
    for (int64_t j = 0; j < columns; j += kPanel) {
      pack_columns<T>(from.row(i) + j, from.stride, smaller(kRows, rows - i),
                      smaller(kPanel, columns - j),
                      to + j / kPanel * panel_units<T>(rows) + panel_units<T>(i));
    }
  }
}
// Its rows as panels of lanes, panel_units<T>(columns) apart: the vector operand of a sum over its
// columns.
template <class T>
inline void pack_all_turned(const HeadRowsOf<T>& from, int64_t rows, int64_t columns, float* to) {
  for (int64_t i = 0; i < rows; i += kPanel, to += panel_units<T>(columns)) {
    pack_turned<T>(from.row(i), from.stride, smaller(kPanel, rows - i), columns, to);
  }
}

// Asks for row i, if there is one, before it is needed.
template <class T>
inline void fetch_ahead(const HeadRowsOf<T>& rows, int64_t i, int64_t columns) {
  if (rows.data != nullptr) fetch_rows(rows.row(i), rows.stride, 1, columns);
}

// The rows of one head, or none when the head is past the last.
template <class T>
struct QkvRows {
  HeadRowsOf<T> q, k, v;

  QkvRows(const View& qkv, const Sizes& sizes, int64_t head) : q{}, k{}, v{} {
    if (head >= sizes.batch * sizes.heads) return;
    const int64_t b = head / sizes.heads, h = head % sizes.heads;
    q = attention::head_of_qkv<T>(qkv, attention::kQuery, b, h);
    k = attention::head_of_qkv<T>(qkv, attention::kKey, b, h);
    v = attention::head_of_qkv<T>(qkv, attention::kValue, b, h);
  }
  void fetch_ahead(int64_t i, int64_t columns) const {
    LK_ISA::fetch_ahead(q, i, columns);
    LK_ISA::fetch_ahead(k, i, columns);
    LK_ISA::fetch_ahead(v, i, columns);
  }
};
template <class T>
HeadRowsOf<T> head_of_out(const View& out, const Sizes& sizes, int64_t head) {
  if (head >= sizes.batch * sizes.heads) return {};
  return attention::head_of_out<T>(out, head / sizes.heads, head % sizes.heads);
}
inline float* head_of_log_sum_exp(const View& view, const Sizes& sizes, int64_t head) {
  return attention::head_of_log_sum_exp(view, head / sizes.heads, head % sizes.heads);
}

}  // namespace lk::LK_ISA
