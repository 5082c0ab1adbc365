// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// GELU, x Φ(x), and its slope, Φ(x) + x φ(x), with Φ the standard normal distribution function and φ
// its density. With a = |x|, Φ(-a) = exp(-a²/2) R(a), where R(a) = erfcx(a/√2)/2 falls smoothly from
// 1/2 towards 1/(a√(2π)) and is a quotient of polynomials with positive coefficients to any accuracy:
// one formula serves all x, and the left tail keeps its relative accuracy.
//
// T is the type that results are rounded to afterwards, which says how near they must be.
#pragma once

#include "common/half.h"

namespace lk::LK_ISA {

// Beyond this a both are 0 or x in every dtype, and exp(-a²/2) would be subnormal.
constexpr float kGeluFar = 13.2f;

#define LK_EACH _Pragma("GCC unroll 8") for (int i = 0; i < N; ++i)

// exp(-a²/2) for 0 <= a <= kGeluFar, as a power of 2: relative error 1e-7 for f32, where rounding the
// exponent adds up to a² 6e-8, else 1.1e-4.
template <class T, int N>
inline void half_square_decay(const Vec (&a)[N], Vec (&decay)[N]) {
  constexpr float kHalfLog2E = 0.72134752f;
  Vec shifted[N];
  // In parts at once: the product with the constant is then not rounded.
  LK_EACH decay[i] = a[i] * a[i];
  LK_EACH shifted[i] = 12582912.0f - decay[i] * kHalfLog2E;
  LK_EACH decay[i] = (12582912.0f - shifted[i]) - decay[i] * kHalfLog2E;
  exp2_of_parts<sizeof(T) == 4 ? 5 : 3>(shifted, decay);
}

// R(a) for 0 <= a <= kGeluFar: minimax in the relative error, 5e-9 for f32, else 2.3e-5.
template <class T, int N>
inline void normal_tail_ratio(const Vec (&a)[N], Vec (&ratio)[N]) {
  Vec above[N], below[N];
  if constexpr (sizeof(T) == 4) {
    LK_EACH above[i] = a[i] * 0.004011664669596527f + 0.039926334027685216f;
    LK_EACH below[i] = a[i] * 0.01005560660577069f + 0.10008794734496636f;
    LK_EACH above[i] = above[i] * a[i] + 0.18113443815068744f;
    LK_EACH below[i] = below[i] * a[i] + 0.463925563569175f;
    LK_EACH above[i] = above[i] * a[i] + 0.43545236100371576f;
    LK_EACH below[i] = below[i] * a[i] + 1.1937662804785196f;
    LK_EACH below[i] = below[i] * a[i] + 1.668789635874756f;
  } else {
    LK_EACH above[i] = a[i] * 0.06196732466846065f + 0.2769474893911538f;
    LK_EACH below[i] = a[i] * 0.15513933149827003f + 0.6995077262661688f;
    LK_EACH below[i] = below[i] * a[i] + 1.352491064241298f;
  }
  LK_EACH above[i] = above[i] * a[i] + 0.5f;
  LK_EACH below[i] = below[i] * a[i] + 1.0f;
  LK_EACH ratio[i] = above[i] / below[i];
}

// x = GELU(x) for N vectors at once.
template <class T, int N>
inline void gelu_each(Vec (&x)[N]) {
  Vec a[N], decay[N], ratio[N];
  LK_EACH a[i] = min(splat(kGeluFar), magnitude(x[i]));
  half_square_decay<T>(a, decay);
  normal_tail_ratio<T>(a, ratio);
  LK_EACH a[i] = a[i] * decay[i];
  LK_EACH x[i] = max(Vec{}, x[i]) - a[i] * ratio[i];
}

// x = GELU's slope at x for N vectors at once.
template <class T, int N>
inline void gelu_derivative_each(Vec (&x)[N]) {
  Vec a[N], decay[N], ratio[N];
  LK_EACH a[i] = min(splat(kGeluFar), magnitude(x[i]));
  half_square_decay<T>(a, decay);
  normal_tail_ratio<T>(a, ratio);
  // Φ(-a) - a φ(a): the slope at -a, and 1 less the slope at a.
  LK_EACH ratio[i] = decay[i] * (ratio[i] - a[i] * 0.398942280f);
  LK_EACH x[i] = select(x[i] < 0.0f, ratio[i], 1.0f - ratio[i]);
}

#undef LK_EACH

template <class T>
inline Vec gelu(Vec x) {
  Vec one[1] = {x};
  gelu_each<T>(one);
  return one[0];
}
template <class T>
inline Vec gelu_derivative(Vec x) {
  Vec one[1] = {x};
  gelu_derivative_each<T>(one);
  return one[0];
}

}  // namespace lk::LK_ISA
