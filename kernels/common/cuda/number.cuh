// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The 16-bit floating-point types of activations, and conversions, rounding to nearest even.
#pragma once

#include "common/cuda/memory.cuh"
#if LK_SIMT
#include "common/half_scalar.h"
#endif

namespace lk::cuda {

struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};

LK_DEVICE float to_float(float x) { return x; }
LK_DEVICE float to_float(Bf16 x) {
#if LK_SIMT
  return bf16_to_float(x.bits);
#else
  return __uint_as_float(static_cast<uint32_t>(x.bits) << 16);
#endif
}
LK_DEVICE float to_float(F16 x) {
#if LK_SIMT
  return f16_to_float(x.bits);
#else
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
#endif
}

template <class T>
LK_DEVICE T from_float(float x);
template <>
LK_DEVICE float from_float<float>(float x) {
  return x;
}
template <>
LK_DEVICE Bf16 from_float<Bf16>(float x) {
#if LK_SIMT
  return {float_to_bf16(x)};
#else
  Bf16 y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
#endif
}
template <>
LK_DEVICE F16 from_float<F16>(float x) {
#if LK_SIMT
  return {float_to_f16(x)};
#else
  F16 y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
#endif
}

// Two neighbours in one register, the first in the low half: how matrix instructions take them.
template <class T>
LK_DEVICE uint32_t pack_pair(float low, float high);
template <>
LK_DEVICE uint32_t pack_pair<Bf16>(float low, float high) {
#if LK_SIMT
  return float_to_bf16(low) | static_cast<uint32_t>(float_to_bf16(high)) << 16;
#else
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#endif
}
template <>
LK_DEVICE uint32_t pack_pair<F16>(float low, float high) {
#if LK_SIMT
  return float_to_f16(low) | static_cast<uint32_t>(float_to_f16(high)) << 16;
#else
  uint32_t pair;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#endif
}
template <class T>
LK_DEVICE float low_of_pair(uint32_t pair) {
  return to_float(T{static_cast<uint16_t>(pair)});
}
template <class T>
LK_DEVICE float high_of_pair(uint32_t pair) {
  return to_float(T{static_cast<uint16_t>(pair >> 16)});
}

// One element as f32, whatever it is in memory.
template <class T>
LK_DEVICE float load_float(Global<T> from LK_AND_SITE) {
#if LK_SIMT
  return to_float(load(from, site));
#else
  return to_float(load(from));
#endif
}
template <class T>
LK_DEVICE void store_float(Global<T> to, float value LK_AND_SITE) {
#if LK_SIMT
  store(to, from_float<T>(value), site);
#else
  store(to, from_float<T>(value));
#endif
}

// Neighbours in one access; `to` is aligned to both together.
template <class T>
LK_DEVICE void store_pair(Global<T> to, float low, float high LK_AND_SITE) {
  const Pack<T, 2> pair = {{from_float<T>(low), from_float<T>(high)}};
#if LK_SIMT
  store(to.template as<Pack<T, 2>>(), pair, site);
#else
  store(to.template as<Pack<T, 2>>(), pair);
#endif
}

// 2^x to 2 ulp, in one instruction; results below the smallest normal number are zero.
LK_DEVICE float exp2_fast(float x) {
#if LK_SIMT
  return exp2f(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

// The exact GELU x Φ(x) and its derivative Φ(x) + x φ(x).
LK_DEVICE float normal_cdf(float x) { return 0.5f * erfcf(-0.70710678f * x); }
LK_DEVICE float gelu(float x) { return x * normal_cdf(x); }
LK_DEVICE float gelu_derivative(float x) {
  return normal_cdf(x) + x * 0.39894228f * expf(-0.5f * x * x);
}

}  // namespace lk::cuda
