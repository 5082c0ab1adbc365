// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// bf16, f16 and u8 in memory to f32 in a register and back, a vector at a time, by integer
// arithmetic that every instruction set has. To the narrower formats: to nearest, ties to even;
// beyond the largest number infinity; a NaN stays one, its quiet bit set and the upper part of its
// payload kept. No step works on a subnormal f32, so a process that flushes those gets the same
// bits.
// Kernels store bf16 by the processor's own instruction where there is one. Like its products it takes
// numbers below 2^-126 for 0: to look for them each time cost LayerNorm and GELU 6 to 30 % in cache.
#pragma once

#include "common/simd.h"
#include "lorikeet.h"

namespace lk::LK_ISA {

typedef uint16_t HalfWords __attribute__((vector_size(LK_VECTOR_BYTES / 2)));
typedef uint8_t QuarterBytes __attribute__((vector_size(LK_VECTOR_BYTES / 4)));

// Where there is one instruction it is named: the compiler makes a dozen of the conversion.
inline Uint widen(HalfWords words) {
#if LK_AVX512
  return reinterpret_cast<Uint>(_mm512_maskz_cvtepu16_epi32(0xffff, reinterpret_cast<__m256i>(words)));
#elif defined(__AVX2__) && LK_VECTOR_BYTES == 32
  return reinterpret_cast<Uint>(_mm256_cvtepu16_epi32(reinterpret_cast<__m128i>(words)));
#else
  return __builtin_convertvector(words, Uint);
#endif
}
inline HalfWords narrow(Uint v) {
#if LK_AVX512
  return reinterpret_cast<HalfWords>(_mm512_maskz_cvtepi32_epi16(0xffff, reinterpret_cast<__m512i>(v)));
#else
  return __builtin_convertvector(v, HalfWords);
#endif
}
// Two vectors of numbers below 2^16. Not by way of memory: one load waits long for two stores.
inline Uint narrow_both(Uint first, Uint second) {
#if LK_AVX512
  const auto low = reinterpret_cast<__m256i>(narrow(first));
  const auto high = reinterpret_cast<__m256i>(narrow(second));
  return reinterpret_cast<Uint>(
      _mm512_maskz_inserti64x4(0xff, _mm512_castsi256_si512(low), high, 1));
#elif defined(__AVX2__) && LK_VECTOR_BYTES == 32
  const __m256i halves =
      _mm256_packus_epi32(reinterpret_cast<__m256i>(first), reinterpret_cast<__m256i>(second));
  constexpr int kSwapMiddleQuarters = 0xD8;  // those of first and second alternate
  return reinterpret_cast<Uint>(_mm256_permute4x64_epi64(halves, kSwapMiddleQuarters));
#else
  return reinterpret_cast<Uint>(
      __builtin_shufflevector(narrow(first), narrow(second), 0, 1, 2, 3, 4, 5, 6, 7));
#endif
}
inline Uint load_words(const uint16_t* p) {
  HalfWords words;
  __builtin_memcpy(&words, p, sizeof(words));
  return widen(words);
}
inline void store_words(uint16_t* p, Uint v) {
  const HalfWords words = narrow(v);
  __builtin_memcpy(p, &words, sizeof(words));
}

inline Uint bits(Vec v) { return reinterpret_cast<Uint>(v); }
inline Vec from_bits(Uint v) { return reinterpret_cast<Vec>(v); }

inline Vec from_bf16(HalfWords words) {
#if LK_AVX512
  // One instruction in place of two: each word moves into its lane's upper half, the lower is cleared.
  typedef uint16_t Words __attribute__((vector_size(64)));
  Words upper;
  for (int i = 0; i < 2 * kLanes; ++i) upper[i] = i / 2;
  return reinterpret_cast<Vec>(_mm512_maskz_permutexvar_epi16(
      0xAAAAAAAA, reinterpret_cast<__m512i>(upper),
      _mm512_castsi256_si512(reinterpret_cast<__m256i>(words))));
#else
  return from_bits(widen(words) << 16);
#endif
}
inline Vec load_bf16(const uint16_t* p) {
  HalfWords words;
  __builtin_memcpy(&words, p, sizeof(words));
  return from_bf16(words);
}
// v rounded to bf16, which is the upper half of each lane; the lower is anything.
inline Uint rounded_to_bf16(Vec v) {
  const Uint x = bits(v);
  const Uint rounded = x + 0x7FFFu + ((x >> 16) & 1u);
  return v != v ? x | 0x400000u : rounded;
}
inline HalfWords bf16_words(Vec v) {
#if LK_AVX512_BF16
  return reinterpret_cast<HalfWords>(_mm512_cvtneps_pbh(v));
#else
  return narrow(rounded_to_bf16(v) >> 16);
#endif
}
inline void store_bf16(uint16_t* p, Vec v) {
  const HalfWords words = bf16_words(v);
  __builtin_memcpy(p, &words, sizeof(words));
}

inline Vec load_f16(const uint16_t* p) {
  const Uint h = load_words(p);
  const Uint magnitude = h & 0x7FFFu;
  // Exponents differ by 112 in their bias, infinities and NaNs by twice that. Subnormals are
  // integers times 2^-24, which is the last place of 0.5.
  const Uint normal = (magnitude << 13) + (112u << 23);
  const Uint special = normal + (112u << 23);
  const Uint subnormal = bits(from_bits(magnitude | 0x3F000000u) - 0.5f);
  const Uint value = magnitude < 0x400u ? subnormal : magnitude < 0x7C00u ? normal : special;
  return from_bits(value | (h & 0x8000u) << 16);
}
inline void store_f16(uint16_t* p, Vec v) {
  const Uint x = bits(v);
  const Uint magnitude = x & 0x7FFFFFFFu;
  // From 2^16 on all is infinity; what rounds up to 2^16 carries into it by itself.
  const Uint limited = magnitude < 0x47800000u ? magnitude : 0x47800000u - Uint{};
  const Uint normal = (limited + 0xFFFu + ((limited >> 13) & 1u) - (112u << 23)) >> 13;
  // Below 2^-14 the sum with 0.5 rounds to the last place of an f16 subnormal.
  const Uint subnormal = bits(from_bits(magnitude) + 0.5f) - 0x3F000000u;
  const Uint nan = (magnitude >> 13 & 0x3FFu) | 0x7E00u;
  const Uint value = magnitude > 0x7F800000u ? nan : magnitude < 0x38800000u ? subnormal : normal;
  store_words(p, value | (x >> 16 & 0x8000u));
}

// Numbers in memory that load() and store() turn into f32 and back, as they do float.
struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};

inline Vec load(const Bf16* p) { return load_bf16(&p->bits); }
inline void store(Bf16* p, Vec v) { store_bf16(&p->bits, v); }
inline Vec load(const F16* p) { return load_f16(&p->bits); }
inline void store(F16* p, Vec v) { store_f16(&p->bits, v); }
inline Vec load(const uint8_t* p) {
  QuarterBytes bytes;
  __builtin_memcpy(&bytes, p, sizeof(bytes));
  return __builtin_convertvector(__builtin_convertvector(bytes, Int), Vec);
}

#if LK_AVX512_BF16
// The numbers of low, then high, rounded to bf16, subnormal ones to 0.
inline Vec round_to_pairs(Vec low, Vec high) {
  return reinterpret_cast<Vec>(_mm512_cvtne2ps_pbh(high, low));
}
// sums + both products of each lane's two pairs, subnormal numbers taken for 0.
inline Vec dot_pairs(Vec sums, Vec pairs, Vec others) {
  return reinterpret_cast<Vec>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sums),
                                                reinterpret_cast<__m512bh>(pairs),
                                                reinterpret_cast<__m512bh>(others)));
}
#endif

// Two vectors of 2 kLanes neighbours in memory.
struct Pair {
  Vec first, second;
};

// The neighbours in their order: the first half in the first vector ...
struct InOrder {
  template <class T>
  static Pair load(const T* p) { return {LK_ISA::load(p), LK_ISA::load(p + kLanes)}; }
  static Pair in_order(Pair pair) { return pair; }

  static Uint bf16_words(Pair pair) {
#if LK_AVX512_BF16
    return bits(round_to_pairs(pair.first, pair.second));
#else
    return narrow_both(rounded_to_bf16(pair.first) >> 16, rounded_to_bf16(pair.second) >> 16);
#endif
  }
};

// ... or, beside arrays of bf16, the even ones in the first vector and the odd in the second: two bf16 share
// a word of 32 bits, and are taken apart and put together with less work.
template <class T>
struct OrderFor : InOrder {};
template <>
struct OrderFor<Bf16> {
  static Pair load(const float* p) {
    const Pair pair = InOrder::load(p);
    const Int even = 2 * lane_numbers();
    return {__builtin_shuffle(pair.first, pair.second, even),
            __builtin_shuffle(pair.first, pair.second, even + 1)};
  }
  static Pair load(const Bf16* p) {
    Uint words;
    __builtin_memcpy(&words, p, sizeof(words));
    return {from_bits(words << 16), from_bits(words & 0xFFFF0000u)};
  }
  static Pair in_order(Pair pair) {
    const Int lanes = lane_numbers(), low = lanes / 2 + lanes % 2 * kLanes;
    return {__builtin_shuffle(pair.first, pair.second, low),
            __builtin_shuffle(pair.first, pair.second, low + kLanes / 2)};
  }

  static Uint bf16_words(Pair pair) {
#if LK_AVX512_BF16
    typedef uint16_t Words __attribute__((vector_size(64)));
    Words interleaved;
    for (int i = 0; i < 2 * kLanes; ++i) interleaved[i] = i / 2 + i % 2 * kLanes;
    const auto words = reinterpret_cast<Words>(InOrder::bf16_words(pair));
    return reinterpret_cast<Uint>(__builtin_shuffle(words, interleaved));
#else
    return rounded_to_bf16(pair.first) >> 16 | (rounded_to_bf16(pair.second) & 0xFFFF0000u);
#endif
  }
};

// Stores a pair of Order's; past the caches (simd.h) p is aligned to whole vectors.
template <class Order, bool PastCaches>
inline void store_pair(float* p, Pair pair) {
  pair = Order::in_order(pair);
  if constexpr (PastCaches) {
    store_past_caches(p, pair.first);
    store_past_caches(p + kLanes, pair.second);
  } else {
    store(p, pair.first);
    store(p + kLanes, pair.second);
  }
}
template <class Order, bool PastCaches>
inline void store_pair(Bf16* p, Pair pair) {
  const Uint words = Order::bf16_words(pair);
  if constexpr (PastCaches) {
    store_past_caches(reinterpret_cast<float*>(p), from_bits(words));
  } else {
    __builtin_memcpy(p, &words, sizeof(words));
  }
}

// The first n of kLanes elements, zero in the others; 0 < n < kLanes.
#if LK_AVX512
inline Vec load_first(const Bf16* p, int64_t n) {
  return from_bf16(reinterpret_cast<HalfWords>(_mm256_maskz_loadu_epi16(first_of(n), p)));
}
inline void store_first(Bf16* p, Vec v, int64_t n) {
  _mm256_mask_storeu_epi16(p, first_of(n), reinterpret_cast<__m256i>(bf16_words(v)));
}
#else
inline Vec load_first(const Bf16* p, int64_t n) {
  Bf16 padded[kLanes] = {};
  __builtin_memcpy(padded, p, static_cast<size_t>(n) * sizeof(Bf16));
  return load(padded);
}
inline void store_first(Bf16* p, Vec v, int64_t n) {
  Bf16 all[kLanes];
  store(all, v);
  __builtin_memcpy(p, all, static_cast<size_t>(n) * sizeof(Bf16));
}
#endif

// The first n elements at p, zero in the other lanes; n may be 0 or less, or kLanes or more.
template <class T>
inline Vec load_up_to(const T* p, int64_t n) {
  return n >= kLanes ? load(p) : n > 0 ? load_first(p, n) : Vec{};
}

// body(T{}), T being the type of the elements of an activation's dtype: those that cpu_operations.cpp
// says the CPU computes.
template <class Body>
inline void with_elements(int32_t dtype, const Body& body) {
  if (dtype == LK_BF16) {
    body(Bf16{});
  } else {
    body(float{});
  }
}

}  // namespace lk::LK_ISA
