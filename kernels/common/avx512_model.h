// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// AVX-512 in software, for tests on processors without it: the instructions that cpu sources name, as
// Intel's manual has them. A cpu source compiled with LK_AVX512_MODEL for a smaller instruction set finds
// these by the names of the compiler's intrinsics, in its own namespace before the global one; the rest
// of its arithmetic is the compiler's vector extensions, which make two registers of one.
// Results are the processor's to the bit, but for payloads of NaNs and for results within 2^-150 of
// 2^-126 where subnormal ones are 0.
#pragma once

#include <cstddef>
#include <cstdint>

#include <immintrin.h>

// Macros where the compiler does not optimise.
#undef _mm512_mask_ternarylogic_epi32
#undef _mm512_maskz_inserti64x4
#undef _mm512_maskz_range_ps

namespace lk::LK_ISA {

// A register by its lanes.
typedef float FloatLanes __attribute__((vector_size(64)));
typedef uint32_t WordLanes __attribute__((vector_size(64)));
typedef uint16_t HalfLanes __attribute__((vector_size(64)));
typedef uint64_t LongLanes __attribute__((vector_size(64)));
typedef uint16_t HalfOfHalfLanes __attribute__((vector_size(32)));

template <class To, class From>
inline To as(From v) { return reinterpret_cast<To>(v); }

// ---- Masks: lanes whose bits are set are all ones ----

// Of T's lanes, a bit a lane, the lowest first.
template <class T>
inline T lanes_of(uint32_t mask) {
  T lanes{};
  for (size_t i = 0; i < sizeof(lanes) / sizeof(lanes[0]); ++i) lanes[i] -= mask >> i & 1;
  return lanes;
}
// v by T's lanes, 0 where the bit is clear.
template <class T, class Register>
inline Register keep_lanes(uint32_t mask, Register v) {
  return as<Register>(as<T>(v) & lanes_of<T>(mask));
}

// ---- Memory. Masked instructions touch no byte of a lane whose bit is clear ----

template <class T, class Register>
inline Register load_lanes(uint32_t mask, const void* from) {
  T lanes[sizeof(Register) / sizeof(T)] = {};
  for (size_t i = 0; i < sizeof(Register) / sizeof(T); ++i) {
    if (mask >> i & 1) __builtin_memcpy(lanes + i, static_cast<const T*>(from) + i, sizeof(T));
  }
  Register v;
  __builtin_memcpy(&v, lanes, sizeof(v));
  return v;
}
template <class T, class Register>
inline void store_lanes(void* to, uint32_t mask, Register v) {
  for (size_t i = 0; i < sizeof(v) / sizeof(T); ++i) {
    if (mask >> i & 1) {
      __builtin_memcpy(static_cast<T*>(to) + i, reinterpret_cast<const char*>(&v) + i * sizeof(T), sizeof(T));
    }
  }
}
inline __m512 _mm512_maskz_loadu_ps(__mmask16 mask, const void* from) {
  return load_lanes<float, __m512>(mask, from);
}
inline void _mm512_mask_storeu_ps(void* to, __mmask16 mask, __m512 v) { store_lanes<float>(to, mask, v); }
inline __m256i _mm256_maskz_loadu_epi16(__mmask16 mask, const void* from) {
  return load_lanes<uint16_t, __m256i>(mask, from);
}
inline void _mm256_mask_storeu_epi16(void* to, __mmask16 mask, __m256i v) {
  store_lanes<uint16_t>(to, mask, v);
}
// A fault, where `to` is not aligned to 64 bytes.
inline void _mm512_store_ps(void* to, __m512 v) {
  if (reinterpret_cast<uintptr_t>(to) % 64 != 0) __builtin_trap();
  __builtin_memcpy(to, &v, sizeof(v));
}
inline void _mm512_stream_ps(void* to, __m512 v) { _mm512_store_ps(to, v); }

// ---- Moves ----

inline __m512 _mm512_maskz_mov_ps(__mmask16 mask, __m512 v) { return keep_lanes<WordLanes>(mask, v); }
inline __m512i _mm512_maskz_mov_epi16(__mmask32 mask, __m512i v) { return keep_lanes<HalfLanes>(mask, v); }
inline __m512i _mm512_castsi256_si512(__m256i v) {
  __m512i both{};
  __builtin_memcpy(&both, &v, sizeof(v));
  return both;
}
inline __m512i _mm512_maskz_inserti64x4(__mmask8 mask, __m512i v, __m256i part, int at) {
  __builtin_memcpy(reinterpret_cast<char*>(&v) + 32 * at, &part, sizeof(part));
  return keep_lanes<LongLanes>(mask, v);
}
inline __m512i _mm512_maskz_permutexvar_epi16(__mmask32 mask, __m512i index, __m512i v) {
  const HalfLanes moved = __builtin_shuffle(as<HalfLanes>(v), as<HalfLanes>(index));
  return keep_lanes<HalfLanes>(mask, as<__m512i>(moved));
}
inline __m512i _mm512_maskz_cvtepu16_epi32(__mmask16 mask, __m256i v) {
  return keep_lanes<WordLanes>(mask, as<__m512i>(__builtin_convertvector(as<HalfOfHalfLanes>(v), WordLanes)));
}
inline __m256i _mm512_maskz_cvtepi32_epi16(__mmask16 mask, __m512i v) {
  return as<__m256i>(__builtin_convertvector(as<WordLanes>(v) & lanes_of<WordLanes>(mask), HalfOfHalfLanes));
}

// ---- Arithmetic ----

inline __mmask16 _mm512_cmpge_epu32_mask(__m512i a, __m512i b) {
  const WordLanes greater_or_equal = as<WordLanes>(as<WordLanes>(a) >= as<WordLanes>(b));
  uint32_t mask = 0;
  for (int i = 0; i < 16; ++i) mask |= (greater_or_equal[i] & 1) << i;
  return static_cast<__mmask16>(mask);
}
// b where either is NaN, or both are 0.
inline __m512 _mm512_maskz_max_ps(__mmask16 mask, __m512 a, __m512 b) {
  return keep_lanes<WordLanes>(mask, a > b ? a : b);
}
inline __m512 _mm512_maskz_min_ps(__mmask16 mask, __m512 a, __m512 b) {
  return keep_lanes<WordLanes>(mask, a < b ? a : b);
}
// Of the two of smaller magnitude, its magnitude, which is all that `choice` may ask for here. The other
// one where one is a quiet NaN.
inline __m512 _mm512_maskz_range_ps(__mmask16 mask, __m512 a, __m512 b, int choice) {
  if (choice != (2 | 2 << 2)) __builtin_trap();
  const FloatLanes first = as<FloatLanes>(as<WordLanes>(a) & 0x7FFFFFFFu);
  const FloatLanes second = as<FloatLanes>(as<WordLanes>(b) & 0x7FFFFFFFu);
  const FloatLanes numbers = first < second ? first : second;
  return keep_lanes<WordLanes>(mask, as<__m512>(first != first ? second : second != second ? first : numbers));
}
inline __m512i _mm512_maskz_mul_epu32(__mmask8 mask, __m512i a, __m512i b) {
  const LongLanes products = (as<LongLanes>(a) & 0xFFFFFFFFu) * (as<LongLanes>(b) & 0xFFFFFFFFu);
  return keep_lanes<LongLanes>(mask, as<__m512i>(products));
}
// a in lanes whose bit is clear; in the others the bits that `table` has for those of a, b and c.
inline __m512i _mm512_mask_ternarylogic_epi32(__m512i a, __mmask16 mask, __m512i b, __m512i c, int table) {
  __m512i bits{};
  for (int i = 0; i < 8; ++i) {
    if (!(table >> i & 1)) continue;
    bits |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
  }
  const __m512i lanes = as<__m512i>(lanes_of<WordLanes>(mask));
  return (bits & lanes) | (a & ~lanes);
}

// ---- bf16. To nearest even, subnormal numbers taken for 0, whatever the processor's mode ----

inline FloatLanes without_subnormal(FloatLanes v) {
  const WordLanes bits = as<WordLanes>(v);
  return as<FloatLanes>((bits & 0x7F800000u) != 0 ? bits : bits & 0x80000000u);
}
// In the upper half of each lane.
inline WordLanes rounded_upper(__m512 v) {
  const WordLanes bits = as<WordLanes>(without_subnormal(as<FloatLanes>(v)));
  const WordLanes rounded = bits + 0x7FFFu + (bits >> 16 & 1u);
  return ((bits & 0x7FFFFFFFu) > 0x7F800000u ? bits | 0x400000u : rounded) & 0xFFFF0000u;
}
inline __m256bh _mm512_cvtneps_pbh(__m512 v) {
  return as<__m256bh>(__builtin_convertvector(rounded_upper(v) >> 16, HalfOfHalfLanes));
}
// low in the lower half of the result.
inline __m512bh _mm512_cvtne2ps_pbh(__m512 high, __m512 low) {
  const __m256bh halves[2] = {LK_ISA::_mm512_cvtneps_pbh(low), LK_ISA::_mm512_cvtneps_pbh(high)};
  __m512bh both;
  __builtin_memcpy(&both, halves, sizeof(both));
  return both;
}
// The second numbers' products, then the first ones', onto the sums: two multiply-adds.
inline __m512 _mm512_dpbf16_ps(__m512 sums, __m512bh pairs, __m512bh others) {
  const WordLanes a = as<WordLanes>(pairs), b = as<WordLanes>(others);
  FloatLanes sum = without_subnormal(as<FloatLanes>(sums));
  for (int first = 0; first < 2; ++first) {
    const FloatLanes x = without_subnormal(as<FloatLanes>(first ? a << 16 : a & 0xFFFF0000u));
    const FloatLanes y = without_subnormal(as<FloatLanes>(first ? b << 16 : b & 0xFFFF0000u));
    // Compiled to one multiply-add (-ffp-contract=fast). A product of bf16 numbers is exact, so that apart
    // they would differ only where it overflows or is subnormal.
    sum = without_subnormal(x * y + sum);
  }
  return as<__m512>(sum);
}

}  // namespace lk::LK_ISA
