// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What the forward and the backward kernels of the fused LoRA layer share. A, B, h and dh are packed
// in the units of the activations' type T, as x, dy and W are: rounded where those are pairs of bf16
// numbers.
#pragma once

#include "common/philox.h"
#include "common/philox_simd.h"
#include "linear/cpu.h"

namespace lk::LK_ISA {

// Which elements of x [m, k] reach A.
class Dropout {
 public:
  Dropout(const lora::Adapter& adapter, int64_t k)
      : philox_(adapter.random),
        threshold_(keep_threshold(adapter.dropout) - Uint{}),
        k_(static_cast<uint64_t>(k)),
        active_(adapter.dropout > 0) {}

  bool active() const { return active_; }

  // The mask of kLanes elements of a row, from a column on.
  Int mask(int64_t row, int64_t column) const {
    return philox_.words(static_cast<uint64_t>(row) * k_ + static_cast<uint64_t>(column)) >=
           threshold_;
  }

  // Sets dropped elements of rows that pack_rows packed to 0; `row` is the first one's number.
  template <class T>
  void drop_from_rows(int64_t row, int64_t rows, float* packed) const {
    for (int64_t s = 0; s < steps_of<T>(static_cast<int64_t>(k_)); s += kLanes) {
      for (int64_t r = 0; r < rows; ++r) {
        float* units = packed + (s / kPanel * rows + r) * kPanel + s % kPanel;
        store(units, keep<T>(load(units), row + r, s * kDepth<T>));
      }
    }
  }

  // The same in what pack_columns packed.
  template <class T>
  void drop_from_columns(int64_t row, int64_t rows, int64_t column, int64_t columns,
                         float* packed) const {
    for (int64_t r = 0; r < rows; r += kDepth<T>, packed += kPanel) {
      for (int64_t j = 0; j < columns; j += kLanes) {
        Int kept = mask(row + r, column + j);
        if constexpr (kDepth<T> == 2) {
          kept = (kept & 0xFFFF) | (mask(row + r + 1, column + j) & ~0xFFFF);
        }
        store(packed + j, reinterpret_cast<Vec>(reinterpret_cast<Int>(load(packed + j)) & kept));
      }
    }
  }

 private:
  // What is left of kLanes units from a column on.
  template <class T>
  Vec keep(Vec units, int64_t row, int64_t column) const {
#if defined(__AVX512BF16__)
    if constexpr (kDepth<T> == 2) {
      const HalfWords halves[2] = {narrow(reinterpret_cast<Uint>(mask(row, column))),
                                   narrow(reinterpret_cast<Uint>(mask(row, column + kLanes)))};
      Int both;
      __builtin_memcpy(&both, halves, sizeof(both));
      return reinterpret_cast<Vec>(reinterpret_cast<Int>(units) & both);
    }
#endif
    return select(mask(row, column), units, Vec{});
  }

  Philox philox_;
  Uint threshold_;
  uint64_t k_;
  bool active_;
};

// The product of a tile of packed rows with panels [panels of `columns`][panel_floats], times a
// factor: rows of results [rows][columns].
template <class T>
void project(const float* packed, int64_t rows, const float* panels, int64_t panel_floats,
             int64_t terms, int64_t columns, float factor, float* results, int64_t stride) {
  for (int64_t column = 0; column < columns; column += kPanel) {
    alignas(LK_ALIGNMENT) float tile[kTileRows * kPanel];
    multiply_tile<T>({packed, rows * kPanel, panels + column / kPanel * panel_floats, kPanel,
                      steps_of<T>(terms)},
                     rows, columns - column, tile, kPanel, false);
    for (int64_t r = 0; r < rows; ++r) {
      over_vectors(smaller(kPanel, columns - column), [&](int64_t j, auto part) {
        part.store(results + r * stride + column + j, load(tile + r * kPanel + j) * factor);
      });
    }
  }
}

}  // namespace lk::LK_ISA
