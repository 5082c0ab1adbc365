// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums over a block and down columns, always in the same order.
#pragma once

#include "common/cuda/rows.cuh"
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

// What the first warp of a block of kWarps gets: its lanes' sums over rows 0 .. rows - 1 of row(i),
// Floats<N>, the lane's own columns of row i. Warps take rows in turn, and their sums are added in
// the order of the warps: the order follows from the rows alone.
// scratch: 32 N floats a warp. One barrier, between the warps' sums and the first warp's.
template <int N, int kWarps, class Row>
LK_DEVICE Floats<N> sum_over_rows(int64_t rows, const Row& row, Shared<float> scratch) {
  const int lane = lane_of_warp(), warp = warp_of_block();
  Floats<N> sums = {};
#pragma unroll 4
  for (int64_t i = warp; i < rows; i += kWarps) {
    const Floats<N> terms = row(i);
#pragma unroll
    for (int e = 0; e < N; ++e) sums.v[e] += terms.v[e];
  }
  if (warp != 0) {
#pragma unroll
    for (int e = 0; e < N; ++e) store(scratch + ((warp * N + e) * kWarp + lane), sums.v[e]);
  }
  barrier();
  if (warp != 0) return sums;
  for (int w = 1; w < kWarps; ++w) {
#pragma unroll
    for (int e = 0; e < N; ++e) sums.v[e] += load(scratch + ((w * N + e) * kWarp + lane));
  }
  return sums;
}

// Sums down the columns of f32 rows, such as the parts of a gradient that blocks left in the
// workspace. At most two of them in one launch.
struct ColumnSums {
  int64_t rows, columns, stride;
  const float* from[2];
  float* to[2];  // [columns]; NULL: not wanted
  bool add;      // to what is there
};

// A lane owns a column of 32 in a block of 16 warps; 2 KB of shared memory.
constexpr int kColumnSumWarps = 16;
template <int kWarps>
__global__ void __launch_bounds__(kWarps * kWarp) column_sums_kernel(ColumnSums sums) {
  const Global<const float> from = {blockIdx.y == 0 ? sums.from[0] : sums.from[1]};
  const Global<float> to = {blockIdx.y == 0 ? sums.to[0] : sums.to[1]};
  if (!to) return;
  const int64_t j = static_cast<int64_t>(blockIdx.x) * kWarp + lane_of_warp();
  const bool inside = j < sums.columns;
  const Floats<1> sum = sum_over_rows<1, kWarps>(
      sums.rows,
      [&](int64_t i) {
        return Floats<1>{inside ? load(from + (i * sums.stride + j)) : 0.0f};
      },
      shared_memory().as<float>());
  if (warp_of_block() != 0 || !inside) return;
  store(to + j, sum.v[0] + (sums.add ? load(to + j) : 0.0f));
}

template <int kWarps = kColumnSumWarps>
lk_status sum_columns(const char* name, const Context& context, const ColumnSums& sums) {
  constexpr int kThreads = kWarps * kWarp, kSharedBytes = kThreads * static_cast<int>(sizeof(float));
  const LaunchShape shape = {ceil_divide(sums.columns, kWarp), kThreads, kSharedBytes, 2};
  return launch(name, column_sums_kernel<kWarps>, context, shape, sums);
}

}  // namespace lk::cuda
