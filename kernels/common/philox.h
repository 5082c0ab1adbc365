// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Philox 4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy
// as 1, 2, 3" (SC'11), one block at a time. lorikeet.h says how elements map to blocks.
#pragma once

#include <cstdint>

#include "lorikeet.h"

// CUDA sources draw by the same functions.
#ifdef __CUDACC__
#define LK_HOST_DEVICE __host__ __device__
#else
#define LK_HOST_DEVICE
#endif

namespace lk {

struct PhiloxBlock {
  uint32_t word[4];
};

LK_HOST_DEVICE inline PhiloxBlock philox4x32_10(PhiloxBlock counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * counter.word[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<uint32_t>(product1 >> 32) ^ counter.word[1] ^ key0,
                static_cast<uint32_t>(product1),
                static_cast<uint32_t>(product0 >> 32) ^ counter.word[3] ^ key1,
                static_cast<uint32_t>(product0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// The four words of elements 4 * block .. 4 * block + 3.
LK_HOST_DEVICE inline PhiloxBlock philox_block(const lk_random& random, uint64_t block) {
  return philox4x32_10({{static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                         random.stream, random.step}},
                       static_cast<uint32_t>(random.seed), static_cast<uint32_t>(random.seed >> 32));
}

LK_HOST_DEVICE inline uint32_t philox_word(const lk_random& random, uint64_t element) {
  return philox_block(random, element / 4).word[element % 4];
}

// An element is kept (not dropped) when its word is at least p * 2^32: the least such word.
inline uint32_t keep_threshold(float p) {
  const double bound = static_cast<double>(p) * 4294967296.0;
  const uint32_t whole = static_cast<uint32_t>(bound);
  return whole < bound ? whole + 1 : whole;
}

}  // namespace lk
