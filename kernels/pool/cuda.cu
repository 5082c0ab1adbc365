// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The mean over tokens of [batch, tokens, k], f32, bf16 or f16; y and dy are f32. All architectures;
// checked against reference.cpp.
#include "common/cuda/batch.cuh"
#include "common/cuda/reduce.cuh"
#include "cuda_operations.h"

namespace lk::cuda {
namespace {

// A block of 8 warps makes the means of 32 chunks of columns of one entry: a lane owns a chunk, warps
// take tokens in turn. 1 KB of shared memory an element of a chunk; barriers: sum_over_rows's.
constexpr int kForwardWarps = 8;

template <class T, int kElements>
__global__ void __launch_bounds__(kForwardWarps * kWarp, 4)
    mean_pool_forward_kernel(BatchRows<const T> x, int64_t first_token, int64_t tokens, int64_t k,
                             int64_t column_blocks, Rows<float> y) {
  const int64_t b = blockIdx.x / column_blocks, column_block = blockIdx.x - b * column_blocks;
  const int64_t j = (column_block * kWarp + lane_of_warp()) * kElements;
  const auto sums = sum_over_rows<kElements, kForwardWarps>(
      tokens - first_token,
      [&](int64_t i) {
        return j < k ? load_floats<kElements>(x.at(b, first_token + i, j)) : Floats<kElements>{};
      },
      shared_memory().as<float>());
  if (warp_of_block() != 0 || j >= k) return;
#pragma unroll
  for (int e = 0; e < kElements; ++e) {
    store(y.at(b, j + e), sums.v[e] / static_cast<float>(tokens - first_token));
  }
}

// A thread a chunk of d_x.
constexpr int kBackwardThreads = 256;

template <class T, int kElements>
__global__ void __launch_bounds__(kBackwardThreads)
    mean_pool_backward_kernel(Rows<const float> dy, int64_t batch, int64_t first_token,
                              int64_t tokens, int64_t chunks, BatchRows<T> d_x) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kBackwardThreads + threadIdx.x;
  if (index >= batch * tokens * chunks) return;
  const int64_t row = index / chunks, j = (index - row * chunks) * kElements;
  const int64_t b = row / tokens, t = row - b * tokens;
  Floats<kElements> gradient = {};
  if (t >= first_token) {
    gradient = load_floats<kElements>(dy.at(b, j));
#pragma unroll
    for (float& v : gradient.v) v /= static_cast<float>(tokens - first_token);
  }
  store_floats(d_x.at(b, t, j), gradient);
}

}  // namespace

lk_status mean_pool_forward(const Context& context, const pool::Forward& call) {
  return with_type(call.dtype(), [&](auto type) {
    using T = decltype(type);
    const int64_t k = call.y.columns;
    const auto run = [&](auto kernel, int elements) {
      const int64_t column_blocks = ceil_divide(k, kWarp * elements);
      const LaunchShape shape = {call.y.rows * column_blocks, kForwardWarps * kWarp,
                                 kForwardWarps * kWarp * elements * static_cast<int>(sizeof(float))};
      return launch("mean_pool_forward", kernel, context, shape, batch_rows_of<const T>(call.x),
                    call.first_token, call.x.sizes[1], k, column_blocks, rows_of<float>(call.y));
    };
    return has_chunks<T>(call.x) ? run(mean_pool_forward_kernel<T, kChunkElements<T>>, kChunkElements<T>)
                                 : run(mean_pool_forward_kernel<T, 1>, 1);
  });
}

lk_status mean_pool_backward(const Context& context, const pool::Backward& call) {
  return with_type(call.dtype(), [&](auto type) {
    using T = decltype(type);
    const int64_t batch = call.dy.rows, tokens = call.d_x.sizes[1], k = call.dy.columns;
    const auto run = [&](auto kernel, int64_t chunks) {
      const LaunchShape shape = {ceil_divide(batch * tokens * chunks, kBackwardThreads),
                                 kBackwardThreads};
      return launch("mean_pool_backward", kernel, context, shape, rows_of<const float>(call.dy),
                    batch, call.first_token, tokens, chunks, batch_rows_of<T>(call.d_x));
    };
    return has_chunks<T>(call.d_x) && has_chunks<float>(call.dy)
               ? run(mean_pool_backward_kernel<T, kChunkElements<T>>, k / kChunkElements<T>)
               : run(mean_pool_backward_kernel<T, 1>, k);
  });
}

}  // namespace lk::cuda
