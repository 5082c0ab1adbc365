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
#if LK_AVX512
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

// The words of one random tensor. A register holds kLanes / 4 blocks of four lanes. Between rounds a
// block's words lie in the order 0, 3, 2, 1: a multiplication of the even lanes makes both of a round's
// products, and their upper halves come out in the lanes of the words that they are mixed with.
class Philox {
 public:
  explicit Philox(const lk_random& random)
      : key_(repeat(0, static_cast<uint32_t>(random.seed >> 32), 0,
                    static_cast<uint32_t>(random.seed))) {
    uint64_t counters[kLanes / 2];
    for (int i = 0; i < kLanes / 2; i += 2) {
      counters[i] = i / 2;
      counters[i + 1] = uint64_t{random.step} << 32 | random.stream;
    }
    __builtin_memcpy(&first_counters_, counters, sizeof(counters));
  }

  // Of elements first[i] .. first[i] + kLanes - 1, for N numbers first[i]. One register alone waits for
  // itself in every round, four together keep the processor busy. Twice the work where some first[i] is
  // no multiple of 4.
  template <int N>
  void words_each(const uint64_t (&first)[N], Uint (&words)[N]) const {
    uint64_t block[N], odd = 0;
    for (int i = 0; i < N; ++i) {
      block[i] = first[i] / 4;
      odd |= first[i] % 4;
    }
    blocks_each(block, words);
    if (odd == 0) return;
    Uint next[N];
    for (uint64_t& each : block) each += kLanes / 4;
    blocks_each(block, next);
    for (int i = 0; i < N; ++i) {
      uint32_t both[2 * kLanes];
      __builtin_memcpy(both, &words[i], sizeof(Uint));
      __builtin_memcpy(both + kLanes, &next[i], sizeof(Uint));
      __builtin_memcpy(&words[i], both + first[i] % 4, sizeof(Uint));
    }
  }
  Uint words(uint64_t first) const {
    const uint64_t one[1] = {first};
    Uint words[1];
    words_each(one, words);
    return words[0];
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

  // Each block's words A, B, C, D in this order.
  template <int A, int B, int C, int D>
  static Uint reorder(Uint v) {
#if LK_VECTOR_BYTES == 64
    return __builtin_shufflevector(v, v, A, B, C, D, 4 + A, 4 + B, 4 + C, 4 + D, 8 + A, 8 + B, 8 + C,
                                   8 + D, 12 + A, 12 + B, 12 + C, 12 + D);
#elif LK_VECTOR_BYTES == 32
    return __builtin_shufflevector(v, v, A, B, C, D, 4 + A, 4 + B, 4 + C, 4 + D);
#else
    return __builtin_shufflevector(v, v, A, B, C, D);
#endif
  }

  // products, in odd lanes mixed with state and key.
  static Uint mix(Uint products, Uint state, Uint key) {
#if LK_AVX512
    constexpr int kXorOfThree = 0x96;
    return reinterpret_cast<Uint>(_mm512_mask_ternarylogic_epi32(
        reinterpret_cast<__m512i>(products), 0xAAAA, reinterpret_cast<__m512i>(state),
        reinterpret_cast<__m512i>(key), kXorOfThree));
#else
    return products ^ ((state ^ key) & repeat(0, ~0u, 0, ~0u));
#endif
  }

  template <int N>
  void blocks_each(const uint64_t (&first)[N], Uint (&state)[N]) const {
    const Ulong block_lanes = reinterpret_cast<Ulong>(repeat(~0u, ~0u, 0, 0));
    const Uint multipliers = repeat(0xD2511F53u, 0, 0xCD9E8D57u, 0);
    const Uint key_step = repeat(0, 0xBB67AE85u, 0, 0x9E3779B9u);
    Uint key = key_;
    for (int i = 0; i < N; ++i) {
      const Ulong counters = first_counters_ + ((first[i] - Ulong{}) & block_lanes);
      state[i] = reorder<0, 3, 2, 1>(reinterpret_cast<Uint>(counters));
    }
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
#pragma GCC unroll 8
      for (int i = 0; i < N; ++i) {
        const Uint products = reinterpret_cast<Uint>(multiply_even(state[i], multipliers));
        // Words 3, 2, 1, 0.
        const Uint mixed = mix(products, state[i], key);
        state[i] = round < 9 ? reorder<3, 0, 1, 2>(mixed) : reorder<3, 2, 1, 0>(mixed);
      }
      key += key_step;
    }
  }

  Uint key_;
  Ulong first_counters_;  // of blocks 0 .. kLanes / 4 - 1
};

}  // namespace lk::LK_ISA
