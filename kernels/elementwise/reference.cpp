// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "elementwise/elementwise.h"

namespace lk::elementwise {
namespace {

// A narrow floating-point format: its sign is bit 15.
struct Format {
  int mantissa_bits;
  int bias;  // of the exponent; the least one is 1 - bias
};
constexpr Format kBf16{7, 127}, kF16{10, 15};

int exponent_of_infinity(const Format& format) { return (1 << (15 - format.mantissa_bits)) - 1; }

double decode(uint16_t code, const Format& format) {
  const int exponent = (code & 0x7FFF) >> format.mantissa_bits;
  const int mantissa = code & ((1 << format.mantissa_bits) - 1);
  double value;
  if (exponent == exponent_of_infinity(format)) {
    value = mantissa == 0 ? std::numeric_limits<double>::infinity()
                          : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    value = std::ldexp(mantissa, 1 - format.bias - format.mantissa_bits);
  } else {
    value = std::ldexp(mantissa + (1 << format.mantissa_bits),
                       exponent - format.bias - format.mantissa_bits);
  }
  return code & 0x8000 ? -value : value;
}

uint16_t encode(double value, const Format& format) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const uint16_t infinity =
      static_cast<uint16_t>(exponent_of_infinity(format) << format.mantissa_bits);
  if (std::isnan(value)) return sign | infinity | 1 << (format.mantissa_bits - 1);
  if (std::isinf(value)) return sign | infinity;
  // The last place of the value's binade, or that of the subnormals; nearbyint takes ties to even.
  const int exponent = value == 0 ? 1 - format.bias : std::max(std::ilogb(value), 1 - format.bias);
  const double places =
      std::nearbyint(std::ldexp(std::fabs(value), format.mantissa_bits - exponent));
  // A binade's codes follow each other and the next binade's: rounding up carries by itself.
  const double code = places + std::ldexp(exponent + format.bias - 1, format.mantissa_bits);
  return code >= infinity ? sign | infinity : static_cast<uint16_t>(sign | static_cast<int>(code));
}

double read(const void* p, int32_t dtype) {
  switch (dtype) {
    case LK_F32: return *static_cast<const float*>(p);
    case LK_BF16: return decode(*static_cast<const uint16_t*>(p), kBf16);
    case LK_F16: return decode(*static_cast<const uint16_t*>(p), kF16);
    case LK_U8: return *static_cast<const uint8_t*>(p);
    default: return *static_cast<const int32_t*>(p);
  }
}

void write(void* p, int32_t dtype, double value) {
  switch (dtype) {
    case LK_F32: *static_cast<float*>(p) = static_cast<float>(value); break;
    case LK_BF16: *static_cast<uint16_t*>(p) = encode(value, kBf16); break;
    case LK_F16: *static_cast<uint16_t*>(p) = encode(value, kF16); break;
    default: *static_cast<int32_t*>(p) = static_cast<int32_t>(value);
  }
}

}  // namespace

template <class Real>
void reference_add(const Add& call) {
  for (int64_t i = 0; i < call.y.rows; ++i) {
    for (int64_t j = 0; j < call.y.columns; ++j) {
      call.y.row(i)[j] = static_cast<float>(Real(call.a.row(i)[j]) + Real(call.b.row(i)[j]));
    }
  }
}

void reference_convert(const void* source, int32_t source_dtype, void* destination,
                       int32_t destination_dtype) {
  write(destination, destination_dtype, read(source, source_dtype));
}

template void reference_add<double>(const Add&);
template void reference_add<float>(const Add&);

}  // namespace lk::elementwise
