// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums over a block and down columns, always in the same order.
#pragma once

#include "common/cuda/launch.cuh"
#include "common/cuda/number.cuh"
#include "common/cuda/warp.cuh"

namespace lk::cuda {

// Every thread of a block of kWarps gets the sum. scratch: kWarps numbers, free again on return.
template <int kWarps, class Number>
LK_DEVICE Number sum_of_block(Number value, Shared<Number> scratch) {
  value = sum_of_lanes(value);
  if (lane_of_warp() == 0) store(scratch + warp_of_block(), value);
  barrier();  // all warps' sums are there
  Number sum = 0;
#pragma unroll
  for (int w = 0; w < kWarps; ++w) sum += load(scratch + w);
  barrier();  // all threads have read them
  return sum;
}

// Sums down the columns of f32 rows, such as the parts of a gradient that blocks left in the
// workspace. At most two of them in one launch.
struct ColumnSums {
  int64_t rows, columns, stride;
  const float* from[2];
  float* to[2];  // [columns]; NULL: not wanted
  bool add;      // to what is there
};

// A warp's lanes own 32 columns; the block's warps take rows in turn, and their sums are added in
// the order of the warps: the order of the additions follows from the rows alone.
// 16 warps, 2 KB of shared memory. One barrier, between the warps' sums and the first warp's.
constexpr int kColumnSumWarps = 16;
template <int kWarps>
__global__ void __launch_bounds__(kWarps * kWarp) column_sums_kernel(ColumnSums sums) {
  const int lane = lane_of_warp(), warp = warp_of_block();
  const Global<const float> from = {blockIdx.y == 0 ? sums.from[0] : sums.from[1]};
  const Global<float> to = {blockIdx.y == 0 ? sums.to[0] : sums.to[1]};
  if (!to) return;
  const int64_t j = static_cast<int64_t>(blockIdx.x) * kWarp + lane;
  const bool inside = j < sums.columns;
  float sum = 0;
  for (int64_t i = warp; i < sums.rows && inside; i += kWarps) {
    sum += load(from + (i * sums.stride + j));
  }
  const Shared<float> scratch = shared_memory().as<float>();
  store(scratch + (warp * kWarp + lane), sum);
  barrier();
  if (warp != 0 || !inside) return;
  float total = sums.add ? load(to + j) : 0.0f;
  for (int w = 0; w < kWarps; ++w) total += load(scratch + (w * kWarp + lane));
  store(to + j, total);
}

template <int kWarps = kColumnSumWarps>
lk_status sum_columns(const char* name, const Context& context, const ColumnSums& sums) {
  constexpr int kThreads = kWarps * kWarp, kSharedBytes = kThreads * static_cast<int>(sizeof(float));
  const LaunchShape shape = {ceil_divide(sums.columns, kWarp), kThreads, kSharedBytes, 2};
  return launch(name, column_sums_kernel<kWarps>, context, shape, sums);
}

}  // namespace lk::cuda
