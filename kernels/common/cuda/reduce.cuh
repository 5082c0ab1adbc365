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
