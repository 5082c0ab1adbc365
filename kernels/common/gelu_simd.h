// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// GELU, x Φ(x), and its slope, Φ(x) + x φ(x), with Φ the standard normal distribution function and φ
// its density. With a = |x|, GELU is max(0, x) - a Φ(-a), and the slope at -a is S(a) = Φ(-a) - a φ(a), at
// a 1 less that. Φ(-a) and S(a) fall smoothly to 0, and so are polynomials in each of 8 to 32 segments. The
// coefficients of one power fill a register or two, from which an instruction or two give every lane its
// segment's.
//
// T is the type that results are rounded to afterwards, which says how near they must be.
#pragma once

#include "common/half.h"

namespace lk::LK_ISA {

// Segment s is the kWidth around s kWidth. Beyond kGeluEnd, in the last segment, both functions are within
// 2e-12 of 0 and count as what they are there.
constexpr float kGeluEnd = 7.49f;

// A segment's polynomial is one of a itself, or of a less the segment's middle, which costs two
// subtractions and keeps f32's accuracy. Twice the segments save a degree or two: worth it where two registers
// that hold the coefficients of one power need no more instructions than one (f32's of all powers would leave
// too few for the rest), which AVX2's do.
template <class T>
struct alignas(64) GeluSegments {
  static constexpr bool kFromMiddle = sizeof(T) == 4;
  static constexpr int kCount = kLanes == 8 ? 8 : kLanes == 16 && !kFromMiddle ? 32 : 16;
  static constexpr int kDegree =
      kFromMiddle ? (kCount == 8 ? 8 : 6) : kCount == 32 ? 2 : kCount == 16 ? 3 : 4;
  static constexpr float kWidth = 8.0f / kCount;
  // Added to a, rounds it to the nearest middle and leaves the segment in the low mantissa bits.
  static constexpr float kRounder = kWidth * 12582912.0f;
  float coefficients[kDegree + 1][kCount];  // of each power, in each segment
};

// f's interpolation at the Chebyshev points of each segment, by Newton's divided differences.
template <class T, class F>
constexpr GeluSegments<T> gelu_segments(F f) {
  constexpr int kDegree = GeluSegments<T>::kDegree;
  GeluSegments<T> segments = {};
  for (int s = 0; s < segments.kCount; ++s) {
    const double middle = s * segments.kWidth;
    double points[kDegree + 1] = {}, differences[kDegree + 1] = {}, polynomial[kDegree + 1] = {};
    for (int i = 0; i <= kDegree; ++i) {
      const double point =
          segments.kWidth / 2 * __builtin_cos((2 * i + 1) * 1.5707963267948966 / (kDegree + 1));
      points[i] = segments.kFromMiddle ? point : middle + point;
      differences[i] = f(middle + point);
    }
    for (int order = 1; order <= kDegree; ++order) {
      for (int i = kDegree; i >= order; --i) {
        differences[i] = (differences[i] - differences[i - 1]) / (points[i] - points[i - order]);
      }
    }
    // Horner's scheme over the points: each step multiplies by a - points[order] and adds a difference.
    for (int order = kDegree; order >= 0; --order) {
      for (int i = kDegree; i > 0; --i) {
        polynomial[i] = polynomial[i - 1] - points[order] * polynomial[i];
      }
      polynomial[0] = differences[order] - points[order] * polynomial[0];
    }
    for (int i = 0; i <= kDegree; ++i) segments.coefficients[i][s] = static_cast<float>(polynomial[i]);
  }
  return segments;
}

constexpr double normal_tail(double a) { return 0.5 * __builtin_erfc(a * 0.7071067811865476); }
constexpr double left_slope(double a) {
  return normal_tail(a) - a * 0.3989422804014327 * __builtin_exp(-0.5 * a * a);
}

// Errors of the polynomials: 1e-9 and 9e-9 for f32, else 3e-5 and 1.3e-4 at most. Those of Φ(-a) fall with
// it, though less steeply: relative to it they are below 2e-7 up to a = 3.75 for f32, else below 2e-3, which
// is bf16's own rounding, up to 3.
template <class T>
constexpr auto kNormalTail = gelu_segments<T>(normal_tail);
template <class T>
constexpr auto kLeftSlope = gelu_segments<T>(left_slope);

// Vectors that a pass over memory takes through together: as many as registers hold beside the rest.
constexpr int kGeluTogether = LK_VECTOR_BYTES == 64 ? 4 : 2;

#define LK_EACH _Pragma("GCC unroll 8") for (int i = 0; i < N; ++i)

// value = the segments' function of a, which is 0 to kGeluEnd, or NaN.
template <class T, int N>
inline void on_segments(const GeluSegments<T>& segments, const Vec (&a)[N], Vec (&value)[N]) {
  constexpr int kDegree = GeluSegments<T>::kDegree;
  Vec r[N], shifted[N];
  LK_EACH shifted[i] = a[i] + segments.kRounder;
  LK_EACH r[i] = segments.kFromMiddle ? a[i] - (shifted[i] - segments.kRounder) : a[i];
  LK_EACH value[i] = look_up(segments.coefficients[kDegree], reinterpret_cast<Int>(shifted[i]));
#pragma GCC unroll 8
  for (int power = kDegree - 1; power >= 0; --power) {
    LK_EACH value[i] = value[i] * r[i] + look_up(segments.coefficients[power],
                                                 reinterpret_cast<Int>(shifted[i]));
  }
}

// x = GELU(x) for N vectors at once.
template <class T, int N>
inline void gelu_each(Vec (&x)[N]) {
  Vec a[N], tail[N];
  LK_EACH a[i] = magnitude_up_to(kGeluEnd, x[i]);
  on_segments(kNormalTail<T>, a, tail);
  LK_EACH x[i] = max(Vec{}, x[i]) - a[i] * tail[i];
}

// x = GELU's slope at x for N vectors at once.
template <class T, int N>
inline void gelu_derivative_each(Vec (&x)[N]) {
  Vec a[N], slope[N];
  // Not by magnitude_up_to: nothing else here would keep a NaN.
  LK_EACH a[i] = min(splat(kGeluEnd), magnitude(x[i]));
  on_segments(kLeftSlope<T>, a, slope);
  LK_EACH x[i] = select(x[i] < 0.0f, slope[i], 1.0f - slope[i]);
}

#undef LK_EACH

}  // namespace lk::LK_ISA
