// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Rows move in fixed chunks over the threads. Indices are checked whole before anything is written.
#include "common/loops.h"
#include "cpu_operations.h"

namespace lk::LK_ISA {
namespace {

constexpr int64_t kColumnsPerTask = 256;
constexpr int32_t kNowhere = -1;

template <class T>
void copy(T* to, const T* from, int64_t n) {
  __builtin_memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
}

// to[b, i] = from[b, index i of b], for the gather and the scatter's gradient.
template <class T>
void gather_rows(ThreadPool& pool, const View& from, const Indices& indices, const View& to) {
  over_rows(pool, indices.batch * indices.count, to.sizes[2],
            [&](int64_t row, int64_t first, int64_t n) {
    const int64_t b = row / indices.count, i = row % indices.count;
    copy(to.row_of<T>(b, i) + first, from.row_of<T>(b, indices.at(b, i)) + first, n);
  });
}

// Which of an entry's indices names a token, kNowhere when none does: [batch, tokens], at the start
// of the workspace.
size_t map_bytes(int64_t batch, int64_t tokens) {
  return static_cast<size_t>(divide_up(batch * tokens * sizeof(int32_t), LK_ALIGNMENT)) *
         LK_ALIGNMENT;
}

void write_map(const Indices& indices, int64_t tokens, int32_t* map) {
  for (int64_t i = 0; i < indices.batch * tokens; ++i) map[i] = kNowhere;
  for (int64_t b = 0; b < indices.batch; ++b) {
    for (int64_t i = 0; i < indices.count; ++i) {
      map[b * tokens + indices.at(b, i)] = static_cast<int32_t>(i);
    }
  }
}

// y = n elements, plus a position's, if there is one.
template <class From, class T>
void write_row(const From* from, const float* position, int64_t n, T* y) {
  over_vectors(n, [&](int64_t j, auto part) {
    Vec value = part.load(from + j);
    if (position != nullptr) value += part.load(position + j);
    part.store(y + j, value);
  });
}

// sums[j] = the sum of columns [first, first + n) of entry b's tokens that no index names.
template <class T>
void sum_unnamed(const View& dy, const int32_t* map, int64_t b, int64_t first, int64_t n,
                 float* sums) {
  over_vectors(n, [&](int64_t j, auto part) {
    Vec sum{};
    for (int64_t t = 0; t < dy.sizes[1]; ++t) {
      if (map[t] == kNowhere) sum += part.load(dy.row_of<T>(b, t) + first + j);
    }
    part.store(sums + first + j, sum);
  });
}

}  // namespace

lk_status token_gather_forward(const Context& context, const tokens::GatherForward& call) {
  LK_TRY(check_range("indices", call.indices, call.x.sizes[1], "tokens"));
  with_elements(call.dtype(), [&](auto element) {
    gather_rows<decltype(element)>(*context.pool, call.x, call.indices, call.y);
  });
  return LK_OK;
}

lk_status token_gather_backward(const Context& context, const tokens::GatherBackward& call) {
  const View& d_x = call.d_x;
  LK_TRY(check_distinct("indices", call.indices, d_x.sizes[1], "tokens"));
  const int64_t blocks = divide_up(d_x.sizes[2], kColumnsPerTask);
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    context.pool->run(d_x.sizes[0] * blocks, [&](int64_t task, int) {
      const int64_t b = task / blocks, first = task % blocks * kColumnsPerTask;
      const int64_t n = smaller(d_x.sizes[2] - first, kColumnsPerTask);
      for (int64_t t = 0; t < d_x.sizes[1]; ++t) {
        __builtin_memset(d_x.row_of<T>(b, t) + first, 0, static_cast<size_t>(n) * sizeof(T));
      }
      for (int64_t i = 0; i < call.indices.count; ++i) {
        copy(d_x.row_of<T>(b, call.indices.at(b, i)) + first, call.dy.row_of<T>(b, i) + first, n);
      }
    });
  });
  return LK_OK;
}

size_t token_scatter_forward_workspace(const Context&, const tokens::ScatterForward& call) {
  return map_bytes(call.y.sizes[0], call.y.sizes[1]);
}

lk_status token_scatter_forward(const Context& context, const tokens::ScatterForward& call) {
  const int64_t batch = call.y.sizes[0], tokens = call.y.sizes[1];
  LK_TRY(check_distinct("indices", call.indices, tokens, "tokens"));
  auto* map = static_cast<int32_t*>(context.workspace);
  write_map(call.indices, tokens, map);
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    over_rows(*context.pool, batch * tokens, call.y.sizes[2],
              [&](int64_t row, int64_t first, int64_t n) {
      const int64_t b = row / tokens, t = row % tokens;
      const float* position = call.position ? call.position.row(t) + first : nullptr;
      T* y = call.y.row_of<T>(b, t) + first;
      if (map[row] == kNowhere) {
        write_row(call.fill.data + first, position, n, y);
      } else {
        write_row(call.x.row_of<T>(b, map[row]) + first, position, n, y);
      }
    });
  });
  return LK_OK;
}

size_t token_scatter_backward_workspace(const Context&, const tokens::ScatterBackward& call) {
  // The map, then the sum of each entry's gradients [batch, k].
  return map_bytes(call.dy.sizes[0], call.dy.sizes[1]) +
         static_cast<size_t>(call.dy.sizes[0] * call.dy.sizes[2]) * sizeof(float);
}

lk_status token_scatter_backward(const Context& context, const tokens::ScatterBackward& call) {
  const int64_t batch = call.dy.sizes[0], tokens = call.dy.sizes[1], k = call.dy.sizes[2];
  LK_TRY(check_distinct("indices", call.indices, tokens, "tokens"));
  with_elements(call.dtype(), [&](auto element) {
    if (!call.d_x) return;
    gather_rows<decltype(element)>(*context.pool, call.dy, call.indices, call.d_x);
  });
  if (!call.d_fill) return LK_OK;
  auto* map = static_cast<int32_t*>(context.workspace);
  write_map(call.indices, tokens, map);
  auto* sums = reinterpret_cast<float*>(static_cast<char*>(context.workspace) +
                                        map_bytes(batch, tokens));
  const int64_t blocks = divide_up(k, kColumnsPerTask);
  with_elements(call.dtype(), [&](auto element) {
    context.pool->run(batch * blocks, [&](int64_t task, int) {
      const int64_t b = task / blocks, first = task % blocks * kColumnsPerTask;
      sum_unnamed<decltype(element)>(call.dy, map + b * tokens, b, first,
                                     smaller(k - first, kColumnsPerTask), sums + b * k);
    });
  });
  over_rows(*context.pool, 1, k, [&](int64_t, int64_t first, int64_t n) {
    float* d_fill = call.d_fill.data + first;
    over_vectors(n, [&](int64_t j, auto part) {
      Vec sum{};
      for (int64_t b = 0; b < batch; ++b) sum += part.load(sums + b * k + first + j);
      if (call.add_to_d_fill) sum += part.load(d_fill + j);
      part.store(d_fill + j, sum);
    });
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
