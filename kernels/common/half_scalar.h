// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// bf16 and f16 to f32 and back, one number at a time, for host code that is not hot. The bits are
// half.h's: to nearest, ties to even; beyond the largest number infinity; a NaN stays one, its quiet
// bit set and the upper part of its payload kept.
#pragma once

#include <cstring>

#include "lorikeet.h"

namespace lk {

inline uint32_t float_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline float float_from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline float bf16_to_float(uint16_t code) { return float_from_bits(uint32_t{code} << 16); }

inline uint16_t float_to_bf16(float value) {
  const uint32_t x = float_bits(value);
  if ((x & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<uint16_t>((x >> 16) | 0x40u);
  return static_cast<uint16_t>((x + 0x7FFFu + ((x >> 16) & 1u)) >> 16);
}

inline float f16_to_float(uint16_t code) {
  const uint32_t magnitude = code & 0x7FFFu, sign = (code & 0x8000u) << 16;
  // Subnormals are integers times 2^-24, which is the last place of 0.5.
  if (magnitude < 0x400u) {
    return float_from_bits(float_bits(float_from_bits(magnitude | 0x3F000000u) - 0.5f) | sign);
  }
  // Exponents differ by 112 in their bias, infinities and NaNs by twice that.
  const uint32_t rebias = magnitude < 0x7C00u ? 112u << 23 : 224u << 23;
  return float_from_bits(((magnitude << 13) + rebias) | sign);
}

inline uint16_t float_to_f16(float value) {
  const uint32_t x = float_bits(value), magnitude = x & 0x7FFFFFFFu, sign = (x >> 16) & 0x8000u;
  uint32_t code;
  if (magnitude > 0x7F800000u) {
    code = ((magnitude >> 13) & 0x3FFu) | 0x7E00u;
  } else if (magnitude >= 0x47800000u) {  // 2^16; what rounds up to it carries into infinity below
    code = 0x7C00u;
  } else if (magnitude < 0x38800000u) {
    // Below 2^-14 the sum with 0.5 rounds to the last place of an f16 subnormal.
    code = float_bits(float_from_bits(magnitude) + 0.5f) - 0x3F000000u;
  } else {
    code = (magnitude + 0xFFFu + ((magnitude >> 13) & 1u) - (112u << 23)) >> 13;
  }
  return static_cast<uint16_t>(code | sign);
}

// dtype is LK_BF16 or LK_F16.
inline float half_to_float(uint16_t code, int32_t dtype) {
  return dtype == LK_BF16 ? bf16_to_float(code) : f16_to_float(code);
}
inline uint16_t float_to_half(float value, int32_t dtype) {
  return dtype == LK_BF16 ? float_to_bf16(value) : float_to_f16(value);
}

// The nearest of the numbers with 10 bits behind the point, as f32; ties go away from zero.
inline float float_to_tf32(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if ((bits & 0x7F800000u) != 0x7F800000u) bits = (bits + 0x1000u) & 0xFFFFE000u;
  std::memcpy(&value, &bits, 4);
  return value;
}

// No lk_dtype: that of f32 numbers where tensor cores multiply them in tf32.
constexpr int32_t kTf32 = -2;

// The nearest number that an activation of this dtype can hold.
inline float round_to(int32_t dtype, float value) {
  if (dtype == kTf32) return float_to_tf32(value);
  return dtype == LK_F32 ? value : half_to_float(float_to_half(value, dtype), dtype);
}

}  // namespace lk
