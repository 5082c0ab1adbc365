// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Barriers, and what the 32 lanes of a warp do together. All lanes take part in every call.
#pragma once

#include "common/cuda/target.cuh"

namespace lk::cuda {

LK_DEVICE int lane_of_warp() { return static_cast<int>(threadIdx.x) % kWarp; }
LK_DEVICE int warp_of_block() { return static_cast<int>(threadIdx.x) / kWarp; }

LK_DEVICE void barrier(LK_SITE) {
#if LK_SIMT
  simt::barrier(site);
#else
  __syncthreads();
#endif
}

// Orders the warp's own accesses to shared memory; shuffles and matrix instructions do not.
LK_DEVICE void warp_barrier(LK_SITE) {
#if LK_SIMT
  simt::warp_barrier(site);
#else
  __syncwarp();
#endif
}

LK_DEVICE uint32_t shuffle(uint32_t value, int from_lane LK_AND_SITE) {
#if LK_SIMT
  return simt::shuffle(value, from_lane, site);
#else
  return __shfl_sync(0xFFFFFFFFu, value, from_lane);
#endif
}

LK_DEVICE float shuffle(float value, int from_lane LK_AND_SITE) {
#if LK_SIMT
  uint32_t word;
  std::memcpy(&word, &value, 4);
  word = simt::shuffle(word, from_lane, site);
  std::memcpy(&value, &word, 4);
  return value;
#else
  return __shfl_sync(0xFFFFFFFFu, value, from_lane);
#endif
}

// The value of the lane whose number differs in the bits of mask.
LK_DEVICE float shuffle_xor(float value, int mask LK_AND_SITE) {
#if LK_SIMT
  return shuffle(value, lane_of_warp() ^ mask, site);
#else
  return __shfl_xor_sync(0xFFFFFFFFu, value, mask);
#endif
}

LK_DEVICE double shuffle_xor(double value, int mask LK_AND_SITE) {
#if LK_SIMT
  uint32_t halves[2];
  std::memcpy(halves, &value, 8);
  for (uint32_t& half : halves) half = simt::shuffle(half, lane_of_warp() ^ mask, site);
  std::memcpy(&value, halves, 8);
  return value;
#else
  return __shfl_xor_sync(0xFFFFFFFFu, value, mask);
#endif
}

LK_DEVICE uint32_t shuffle_xor(uint32_t value, int mask LK_AND_SITE) {
#if LK_SIMT
  return shuffle(value, lane_of_warp() ^ mask, site);
#else
  return __shfl_xor_sync(0xFFFFFFFFu, value, mask);
#endif
}

LK_DEVICE uint32_t ballot(bool vote LK_AND_SITE) {
#if LK_SIMT
  return simt::ballot(vote, site);
#else
  return __ballot_sync(0xFFFFFFFFu, vote);
#endif
}

// The number of the lowest bit set; mask is not 0.
LK_DEVICE int lowest_bit(uint32_t mask) {
#if LK_SIMT
  return __builtin_ctz(mask);
#else
  return __ffs(static_cast<int>(mask)) - 1;
#endif
}

// Over groups of kLanes neighbouring lanes, in the fixed order of a butterfly: every lane gets the
// same bits.
template <int kLanes = kWarp, class Number>
LK_DEVICE Number sum_of_lanes(Number value) {
#pragma unroll
  for (int mask = kLanes / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}
template <int kLanes = kWarp>
LK_DEVICE float max_of_lanes(float value) {
#pragma unroll
  for (int mask = kLanes / 2; mask > 0; mask /= 2) value = fmaxf(value, shuffle_xor(value, mask));
  return value;
}

// Transposes the 4x4 words of four neighbouring lanes: word i of lane t becomes word t of lane i. It
// turns 16 bytes a lane of a row in memory into the fragments of matrix instructions, and back.
LK_DEVICE void transpose_quad(uint32_t (&words)[4]) {
#pragma unroll
  for (int mask = 1; mask < 4; mask *= 2) {
    const bool upper = (lane_of_warp() & mask) != 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if ((i & mask) != 0) continue;
      const uint32_t got = shuffle_xor(upper ? words[i] : words[i | mask], mask);
      words[i] = upper ? got : words[i];
      words[i | mask] = upper ? words[i | mask] : got;
    }
  }
}

}  // namespace lk::cuda
