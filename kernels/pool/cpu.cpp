// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Forward: a task is one image's block of columns, summed down the tokens in registers.
// Backward: one pass over d_x.
#include "common/loops.h"
#include "cpu_operations.h"

namespace lk::LK_ISA {
namespace {

// Vectors summed side by side: their additions do not wait for each other, and a row's piece is
// several cache lines long.
constexpr int kBlock = 8;
constexpr int64_t kColumns = kBlock * kLanes;

// y = the mean of `tokens` rows of kColumns elements.
template <class T>
void mean_of_block(const T* x, int64_t stride, int64_t tokens, float* y) {
  Vec sums[kBlock] = {};
  for (int64_t t = 0; t < tokens; ++t, x += stride) {
    for (int u = 0; u < kBlock; ++u) sums[u] += load(x + u * kLanes);
  }
  for (int u = 0; u < kBlock; ++u) store(y + u * kLanes, sums[u] / static_cast<float>(tokens));
}

// The same for fewer columns.
template <class T>
void mean_of_columns(const T* x, int64_t stride, int64_t tokens, int64_t columns, float* y) {
  over_vectors(columns, [&](int64_t j, auto part) {
    Vec sum{};
    for (int64_t t = 0; t < tokens; ++t) sum += part.load(x + t * stride + j);
    part.store(y + j, sum / static_cast<float>(tokens));
  });
}

}  // namespace

lk_status mean_pool_forward(const Context& context, const pool::Forward& call) {
  const View& x = call.x;
  const int64_t tokens = x.sizes[1] - call.first_token;
  const int64_t blocks = divide_up(call.y.columns, kColumns);
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    context.pool->run(call.y.rows * blocks, [&](int64_t task, int) {
      const int64_t b = task / blocks, j = task % blocks * kColumns;
      const T* first = x.row_of<T>(b, call.first_token) + j;
      float* y = call.y.row(b) + j;
      if (j + kColumns <= call.y.columns) {
        mean_of_block(first, x.strides[1], tokens, y);
      } else {
        mean_of_columns(first, x.strides[1], tokens, call.y.columns - j, y);
      }
    });
  });
  return LK_OK;
}

lk_status mean_pool_backward(const Context& context, const pool::Backward& call) {
  const View& d_x = call.d_x;
  const int64_t tokens = d_x.sizes[1];
  const float count = static_cast<float>(tokens - call.first_token);
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    over_rows(*context.pool, call.dy.rows * tokens, call.dy.columns,
              [&](int64_t i, int64_t first, int64_t n) {
      const int64_t b = i / tokens, t = i % tokens;
      const float* dy = call.dy.row(b) + first;
      T* out = d_x.row_of<T>(b, t) + first;
      const bool left_out = t < call.first_token;
      over_vectors(n, [&](int64_t j, auto part) {
        part.store(out + j, left_out ? Vec{} : part.load(dy + j) / count);
      });
    });
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
