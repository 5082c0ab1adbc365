// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// One vector type for every instruction set. Each room's cpu.cpp is compiled once per instruction
// set with LK_ISA (the name, also the namespace) and LK_VECTOR_BYTES (the register width) defined;
// the compiler's vector extensions do the rest. Everything here and in a cpu.cpp lives inside
// namespace lk::LK_ISA and avoids standard-library templates: an inline function compiled for
// AVX-512 that the linker shares with the generic path would be an illegal instruction elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if !defined(LK_ISA) || !defined(LK_VECTOR_BYTES)
#error "cpu sources are compiled once per instruction set; see cmake/LorikeetKernels.cmake"
#endif

// AVX-512 with its parts BW, DQ and VL, and beside them BF16; or a model of them all.
#if defined(LK_AVX512_MODEL)
#include "common/avx512_model.h"
#define LK_AVX512 1
#define LK_AVX512_BF16 1
#else
#if defined(__AVX512F__) && LK_VECTOR_BYTES == 64
#define LK_AVX512 1
#else
#define LK_AVX512 0
#endif
#if defined(__AVX512BF16__) && LK_AVX512
#define LK_AVX512_BF16 1
#else
#define LK_AVX512_BF16 0
#endif
#endif

namespace lk::LK_ISA {

constexpr int kLanes = LK_VECTOR_BYTES / 4;

// kLanes f32, i32 or u32 in one register. Comparisons give Int masks (0 or -1) for select().
typedef float Vec __attribute__((vector_size(LK_VECTOR_BYTES)));
typedef int32_t Int __attribute__((vector_size(LK_VECTOR_BYTES)));
typedef uint32_t Uint __attribute__((vector_size(LK_VECTOR_BYTES)));
// The same in memory at any f32 address.
typedef float UnalignedVec __attribute__((vector_size(LK_VECTOR_BYTES), aligned(4), may_alias));

inline Vec load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<UnalignedVec*>(p) = v; }

// Past the caches (loops.h says when). p is aligned to the bytes stored.
#if LK_AVX512
inline void store_past_caches(float* p, Vec v) { _mm512_stream_ps(p, v); }
#elif defined(__AVX__) && LK_VECTOR_BYTES == 32
inline void store_past_caches(float* p, Vec v) { _mm256_stream_ps(p, v); }
#elif defined(__SSE__) && LK_VECTOR_BYTES == 16
inline void store_past_caches(float* p, Vec v) { _mm_stream_ps(p, v); }
#else
inline void store_past_caches(float* p, Vec v) { store(p, v); }
#endif
inline void stores_done() {
#if defined(__SSE__)
  _mm_sfence();
#endif
}

inline Vec splat(float value) { return value - Vec{}; }
inline Int splat_int(int32_t value) { return value - Int{}; }

inline Int lane_numbers() {
  Int lanes;
  for (int i = 0; i < kLanes; ++i) lanes[i] = i;
  return lanes;
}

// The first n of kLanes elements, zero in the others; 0 < n < kLanes.
#if LK_AVX512
inline uint16_t first_of(int64_t n) { return static_cast<uint16_t>((1u << n) - 1); }
inline Vec load_first(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first_of(n), p); }
inline void store_first(float* p, Vec v, int64_t n) { _mm512_mask_storeu_ps(p, first_of(n), v); }
#else
inline Vec load_first(const float* p, int64_t n) {
  Vec v{};
  __builtin_memcpy(&v, p, static_cast<size_t>(n) * 4);
  return v;
}
inline void store_first(float* p, Vec v, int64_t n) {
  __builtin_memcpy(p, &v, static_cast<size_t>(n) * 4);
}
#endif

// Masks as a bit a lane, that of lane 0 the lowest.
#if LK_AVX512
inline uint32_t lanes_at_least(Uint a, Uint b) {
  return _mm512_cmpge_epu32_mask(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b));
}
// v, 0 in lanes whose bits are clear.
inline Vec keep(Vec v, uint32_t bits) {
  return _mm512_maskz_mov_ps(static_cast<__mmask16>(bits), v);
}
#else
inline uint32_t lanes_at_least(Uint a, Uint b) {
  const Int mask = a >= b;
#if defined(__AVX__) && LK_VECTOR_BYTES == 32
  return static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(mask)));
#elif defined(__SSE__) && LK_VECTOR_BYTES == 16
  return static_cast<uint32_t>(_mm_movemask_ps(reinterpret_cast<__m128>(mask)));
#else
  uint32_t bits = 0;
  for (int i = 0; i < kLanes; ++i) bits |= (mask[i] & 1u) << i;
  return bits;
#endif
}
inline Vec keep(Vec v, uint32_t bits) {
  const Int own = 1 << lane_numbers();
  return (splat_int(static_cast<int32_t>(bits)) & own) != 0 ? v : Vec{};
}
#endif

inline Vec select(Int mask, Vec if_set, Vec if_clear) { return mask ? if_set : if_clear; }
// The larger and the smaller of two; b where either is NaN. On x86 the instruction is named,
// because from `a > b ? a : b` the compiler makes two when one side is a constant.
#if LK_AVX512
inline Vec max(Vec a, Vec b) { return _mm512_maskz_max_ps(0xffff, a, b); }
inline Vec min(Vec a, Vec b) { return _mm512_maskz_min_ps(0xffff, a, b); }
#elif defined(__AVX__) && LK_VECTOR_BYTES == 32
inline Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
inline Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
#elif defined(__SSE__) && LK_VECTOR_BYTES == 16
inline Vec max(Vec a, Vec b) { return _mm_max_ps(a, b); }
inline Vec min(Vec a, Vec b) { return _mm_min_ps(a, b); }
#else
inline Vec max(Vec a, Vec b) { return a > b ? a : b; }
inline Vec min(Vec a, Vec b) { return a < b ? a : b; }
#endif

inline Vec magnitude(Vec v) {
  return reinterpret_cast<Vec>(reinterpret_cast<Int>(v) & 0x7FFFFFFF);
}

// |v|, at most limit. NaN gives limit or NaN.
inline Vec magnitude_up_to(float limit, Vec v) {
#if LK_AVX512
  constexpr int kSmallerMagnitude = 2, kClearSign = 2 << 2;
  return _mm512_maskz_range_ps(0xffff, v, splat(limit), kSmallerMagnitude | kClearSign);
#else
  return min(splat(limit), magnitude(v));
#endif
}

// Lane i of the result is lane i ^ n of v. n must be known when compiling: the shuffle is one instruction
// then.
inline Vec exchange(Vec v, int n) { return __builtin_shuffle(v, lane_numbers() ^ n); }

// Lane i of the result is table[index[i] mod N]: an instruction or two where one register or two hold the
// table.
template <int N>
inline Vec look_up(const float (&table)[N], Int index) {
  if constexpr (N == kLanes) {
    return __builtin_shuffle(load(table), index);
  } else if constexpr (N == 2 * kLanes) {
    return __builtin_shuffle(load(table), load(table + kLanes), index);
  } else {
    Vec v;
    for (int i = 0; i < kLanes; ++i) v[i] = table[index[i] & (N - 1)];
    return v;
  }
}

// Lane 0 + lane kLanes/2, and so on by halves: one fixed order.
inline float reduce_add(Vec v) {
#pragma GCC unroll 4
  for (int half = kLanes / 2; half > 0; half /= 2) v += exchange(v, half);
  return v[0];
}
inline float reduce_max(Vec v) {
#pragma GCC unroll 4
  for (int half = kLanes / 2; half > 0; half /= 2) v = max(v, exchange(v, half));
  return v[0];
}

// p 2^n for -126 <= n < 128, n lying in the low mantissa bits of `shifted`, whose own other bits leave at
// the top. A product, for a sum of exponents would make a number of a NaN.
inline Vec times_power(Vec p, Vec shifted) {
  return p * reinterpret_cast<Vec>((reinterpret_cast<Uint>(shifted) << 23) + 0x3F800000u);
}

// x = e^x for N vectors at once, relative error below 2e-7 on [-87, 88]; smaller x give a number
// below 1.3e-38, larger ones e^88.37, NaN gives NaN. Range reduction by ln 2 in two parts and a
// minimax polynomial of degree 5 on |r| <= ln(2)/2 (relative error 1.05e-7 before rounding) that is
// exact at 0. The vectors go through each step together: one alone waits for itself at every step,
// four keep the pipes busy.
template <int N>
inline void exp_each(Vec (&x)[N]) {
  Vec shifted[N], p[N];
#define LK_EACH _Pragma("GCC unroll 8") for (int i = 0; i < N; ++i)
  LK_EACH x[i] = min(splat(88.37f), max(splat(-87.33f), x[i]));
  // Adding 1.5 * 2^23 rounds to the nearest integer n and leaves it in the low mantissa bits.
  LK_EACH shifted[i] = x[i] * 1.44269504f + 12582912.0f;
  LK_EACH p[i] = shifted[i] - 12582912.0f;
  LK_EACH x[i] = x[i] - p[i] * 0.693359375f;
  LK_EACH x[i] = x[i] + p[i] * 2.12194440e-4f;
  LK_EACH p[i] = x[i] * 0.0083125013f + 0.0418903315f;
  LK_EACH p[i] = p[i] * x[i] + 0.1666711539f;
  LK_EACH p[i] = p[i] * x[i] + 0.4999923031f;
  LK_EACH p[i] = p[i] * x[i] + 1.0f;
  LK_EACH p[i] = p[i] * x[i] + 1.0f;
  LK_EACH x[i] = times_power(p[i], shifted[i]);
#undef LK_EACH
}
inline Vec exp(Vec x) {
  Vec one[1] = {x};
  exp_each(one);
  return one[0];
}

// x = 2^x for N vectors at once, for x < 127: relative error below 1.2e-7; smaller x than -126 count as
// that, NaN gives NaN. Less work than e^x: the range is reduced without an error, and a minimax
// polynomial of degree 5 on |r| <= 1/2 (relative error 9.2e-8 before rounding) is exact at 0.
template <int N>
inline void exp2_each(Vec (&x)[N]) {
  Vec shifted[N], p[N];
#define LK_EACH _Pragma("GCC unroll 8") for (int i = 0; i < N; ++i)
  LK_EACH x[i] = max(splat(-126.0f), x[i]);
  // Rounded to the nearest integer, which lies in the low mantissa bits, as in exp_each.
  LK_EACH shifted[i] = x[i] + 12582912.0f;
  LK_EACH x[i] = x[i] - (shifted[i] - 12582912.0f);
  LK_EACH p[i] = x[i] * 0.001326472731307149f + 0.009671512991189957f;
  LK_EACH p[i] = p[i] * x[i] + 0.05550733581185341f;
  LK_EACH p[i] = p[i] * x[i] + 0.24022242426872253f;
  LK_EACH p[i] = p[i] * x[i] + 0.6931470036506653f;
  LK_EACH p[i] = p[i] * x[i] + 1.0f;
  LK_EACH x[i] = times_power(p[i], shifted[i]);
#undef LK_EACH
}

}  // namespace lk::LK_ISA
