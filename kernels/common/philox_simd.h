// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Philox 4x32-10 for cpu sources: common/philox.h's words, a register of them at a time.
#pragma once

#include "common/simd.h"
#include "lorikeet.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lk::LK_ISA {

typedef uint64_t Ulong __attribute__((vector_size(LK_VECTOR_BYTES)));

// Whole products of the even 32-bit lanes. Written as 64-bit multiplication it would compile to
// three of these.
inline Ulong multiply_even(Uint a, Uint b) {
#if defined(__AVX512F__) && LK_VECTOR_BYTES == 64
  // All lanes, by the masked form: gcc 12 warns of the plain one's undefined source.
  return reinterpret_cast<Ulong>(_mm512_maskz_mul_epu32(0xFF, reinterpret_cast<__m512i>(a),
                                                        reinterpret_cast<__m512i>(b)));
#elif defined(__AVX2__) && LK_VECTOR_BYTES == 32
  return reinterpret_cast<Ulong>(
      _mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__SSE2__) && LK_VECTOR_BYTES == 16
  return reinterpret_cast<Ulong>(
      _mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return (reinterpret_cast<Ulong>(a) & 0xFFFFFFFFu) * (reinterpret_cast<Ulong>(b) & 0xFFFFFFFFu);
#endif
}

// The words of one random tensor. A register holds kLanes / 4 blocks, each as its four words in a
// row: a multiplication of the even lanes makes both of a round's products, and the words come out
// in the order of the elements.
class Philox {
 public:
  explicit Philox(const lk_random& random)
      : key_(repeat(static_cast<uint32_t>(random.seed), 0,
                    static_cast<uint32_t>(random.seed >> 32), 0)) {
    uint64_t counters[kLanes / 2];
    for (int i = 0; i < kLanes / 2; i += 2) {
      counters[i] = i / 2;
      counters[i + 1] = uint64_t{random.step} << 32 | random.stream;
    }
    __builtin_memcpy(&first_counters_, counters, sizeof(counters));
  }

  // Of elements first .. first + kLanes - 1. Twice the work where first is no multiple of 4.
  Uint words(uint64_t first) const {
    if (first % 4 == 0) return blocks(first / 4);
    uint32_t both[2 * kLanes];
    const Uint low = blocks(first / 4), high = blocks(first / 4 + kLanes / 4);
    __builtin_memcpy(both, &low, sizeof(low));
    __builtin_memcpy(both + kLanes, &high, sizeof(high));
    Uint words;
    __builtin_memcpy(&words, both + first % 4, sizeof(words));
    return words;
  }

 private:
  static Uint repeat(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    uint32_t words[kLanes];
    for (int i = 0; i < kLanes; i += 4) {
      words[i] = a;
      words[i + 1] = b;
      words[i + 2] = c;
      words[i + 3] = d;
    }
    Uint v;
    __builtin_memcpy(&v, words, sizeof(v));
    return v;
  }

  // Each block's words from last to first.
  static Uint reverse_blocks(Uint v) {
#if LK_VECTOR_BYTES == 64
    return __builtin_shufflevector(v, v, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
#elif LK_VECTOR_BYTES == 32
    return __builtin_shufflevector(v, v, 3, 2, 1, 0, 7, 6, 5, 4);
#else
    return __builtin_shufflevector(v, v, 3, 2, 1, 0);
#endif
  }

  Uint blocks(uint64_t first) const {
    const Ulong block_lanes = reinterpret_cast<Ulong>(repeat(~0u, ~0u, 0, 0));
    const Ulong counters = first_counters_ + ((first - Ulong{}) & block_lanes);
    Uint state = reinterpret_cast<Uint>(counters), key = key_;
    const Uint multipliers = repeat(0xD2511F53u, 0, 0xCD9E8D57u, 0);
    const Uint key_step = repeat(0x9E3779B9u, 0, 0xBB67AE85u, 0);
    for (int round = 0; round < 10; ++round) {
      const Uint products = reinterpret_cast<Uint>(multiply_even(state, multipliers));
      const Uint odd_words = reinterpret_cast<Uint>(reinterpret_cast<Ulong>(state) >> 32);
      state = reverse_blocks(products) ^ odd_words ^ key;
      key += key_step;
    }
    return state;
  }

  Uint key_;
  Ulong first_counters_;  // of blocks 0 .. kLanes / 4 - 1
};

}  // namespace lk::LK_ISA
