// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The model of AVX-512's instructions against what Intel's manual says of them, with values worked by
// hand: tests of the AVX-512 kernels on other processors are worth what the model is.
#if defined(__x86_64__)
#define LK_ISA avx512_model_test
#include "common/avx512_model.h"

#include <doctest.h>

#include <cmath>
#include <initializer_list>
#include <limits>

namespace lk::avx512_model_test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const float kNan = std::nanf("");

__m512 all(float value) { return as<__m512>(FloatLanes{} + value); }
__m512i words(uint32_t value) { return as<__m512i>(WordLanes{} + value); }
// The lanes' own numbers, from `first` on.
__m512i numbered(uint32_t first) {
  WordLanes v;
  for (uint32_t i = 0; i < 16; ++i) v[i] = first + i;
  return as<__m512i>(v);
}
float lane(__m512 v, int i) { return as<FloatLanes>(v)[i]; }
uint32_t word(__m512i v, int i) { return as<WordLanes>(v)[i]; }
uint16_t half(__m512i v, int i) { return as<HalfLanes>(v)[i]; }
uint16_t half(__m256i v, int i) { return as<HalfOfHalfLanes>(v)[i]; }

// a and b rounded to a pair, b its second number.
__m512bh pair(float a, float b) {
  const __m256i low = as<__m256i>(_mm512_cvtneps_pbh(all(a)));
  const __m256i high = as<__m256i>(_mm512_cvtneps_pbh(all(b)));
  WordLanes both;
  for (int i = 0; i < 16; ++i) both[i] = half(low, i) | uint32_t{half(high, i)} << 16;
  return as<__m512bh>(both);
}
uint16_t rounded(float value) { return half(as<__m256i>(_mm512_cvtneps_pbh(all(value))), 5); }

TEST_CASE("avx512: the model's masked loads and stores touch the lanes that are set alone") {
  float from[16], to[16];
  uint16_t halves[16], stored[16];
  for (int i = 0; i < 16; ++i) {
    from[i] = static_cast<float>(i + 1);
    halves[i] = static_cast<uint16_t>(i + 1);
    to[i] = -1;
    stored[i] = 99;
  }
  const __mmask16 mask = 0x8005;
  const __m512 v = _mm512_maskz_loadu_ps(mask, from);
  _mm512_mask_storeu_ps(to, mask, all(7));
  const __m256i h = _mm256_maskz_loadu_epi16(mask, halves);
  _mm256_mask_storeu_epi16(stored, mask, h);
  for (int i = 0; i < 16; ++i) {
    const bool set = i == 0 || i == 2 || i == 15;
    CHECK(lane(v, i) == (set ? from[i] : 0));
    CHECK(to[i] == (set ? 7 : -1));
    CHECK(half(h, i) == (set ? halves[i] : 0));
    CHECK(stored[i] == (set ? halves[i] : 99));
  }
}

TEST_CASE("avx512: the model moves, widens and narrows lanes") {
  const __m512i v = numbered(0x10000);
  const __m256i narrow = _mm512_maskz_cvtepi32_epi16(0x7fff, v);
  const __m512i wide = _mm512_maskz_cvtepu16_epi32(0xfffe, narrow);
  const __m512i joined =
      _mm512_maskz_inserti64x4(0x7f, _mm512_castsi256_si512(narrow), narrow, 1);
  const __m512i turned = _mm512_maskz_permutexvar_epi16(0x2, words(3u << 16 | 33u), v);
  const __m512i kept = _mm512_maskz_mov_epi16(0x2, v);
  const __m512 some = _mm512_maskz_mov_ps(0x2, all(5));
  for (int i = 0; i < 16; ++i) {
    CHECK(half(narrow, i) == (i < 15 ? i : 0));  // the upper half is dropped
    CHECK(word(wide, i) == (i > 0 && i < 15 ? i : 0));
    CHECK(half(joined, i) == half(narrow, i));
    CHECK(half(joined, 16 + i) == (i < 12 ? half(narrow, i) : 0));
    CHECK(lane(some, i) == (i == 1 ? 5 : 0));
    CHECK(word(kept, i) == (i == 0 ? 0x10000 : 0));
  }
  // Words of 16 bits: 3 is the upper one of lane 1.
  CHECK(half(turned, 0) == 0);
  CHECK(half(turned, 1) == 1);
  CHECK(half(turned, 2) == 0);
}

TEST_CASE("avx512: the model compares, and takes the second operand where there is a NaN") {
  CHECK(_mm512_cmpge_epu32_mask(numbered(0xfffffff8u), words(0xfffffffcu)) == 0x00f0);
  CHECK(lane(_mm512_maskz_max_ps(0xffff, all(1), all(2)), 3) == 2);
  CHECK(lane(_mm512_maskz_min_ps(0xffff, all(1), all(2)), 3) == 1);
  CHECK(lane(_mm512_maskz_max_ps(0xffff, all(kNan), all(2)), 3) == 2);
  CHECK(std::isnan(lane(_mm512_maskz_min_ps(0xffff, all(1), all(kNan)), 3)));
  CHECK(lane(_mm512_maskz_max_ps(0xfff7, all(1), all(2)), 3) == 0);
  constexpr int kLeastMagnitude = 2 | 2 << 2;
  CHECK(lane(_mm512_maskz_range_ps(0xffff, all(-1), all(2), kLeastMagnitude), 9) == 1);
  CHECK(lane(_mm512_maskz_range_ps(0xffff, all(-3), all(2), kLeastMagnitude), 9) == 2);
  CHECK(lane(_mm512_maskz_range_ps(0xffff, all(kNan), all(2), kLeastMagnitude), 9) == 2);
}

TEST_CASE("avx512: the model multiplies even lanes whole, and joins three by a table") {
  const __m512i product = _mm512_maskz_mul_epu32(0xfe, words(0xffffffffu), words(0xfffffffeu));
  CHECK(word(product, 0) == 0);
  CHECK(word(product, 2) == 2);  // (2^32 - 1)(2^32 - 2) = (2^32 - 3) 2^32 + 2
  CHECK(word(product, 3) == 0xfffffffdu);
  const __m512i a = words(0b11110000), b = words(0b11001100), c = words(0b10101010);
  for (const int table : {0x96, 0xe8, 0x01}) {
    const __m512i joined = _mm512_mask_ternarylogic_epi32(a, 0x2, b, c, table);
    CHECK(word(joined, 0) == 0b11110000);
    CHECK((word(joined, 1) & 0xff) == static_cast<uint32_t>(table));  // its own definition
  }
}

TEST_CASE("avx512: the model rounds to bf16 to nearest even, subnormal numbers to 0") {
  CHECK(rounded(1) == 0x3f80);
  CHECK(rounded(1 + 0x1p-8f) == 0x3f80);               // between two: the even one
  CHECK(rounded(1 + 0x1p-7f + 0x1p-8f) == 0x3f82);
  CHECK(rounded(1 + 0x1p-8f + 0x1p-23f) == 0x3f81);
  CHECK(rounded(std::numeric_limits<float>::max()) == 0x7f80);
  CHECK(rounded(-kInfinity) == 0xff80);
  CHECK(rounded(-0x1p-127f) == 0x8000);
  CHECK(rounded(0x1p-126f) == 0x0080);
  CHECK((rounded(kNan) & 0x7fff) > 0x7f80);
  const __m512bh both = _mm512_cvtne2ps_pbh(all(2), all(1));
  CHECK(half(as<__m512i>(both), 0) == 0x3f80);
  CHECK(half(as<__m512i>(both), 31) == 0x4000);
}

TEST_CASE("avx512: the model adds the second numbers' product, then the first ones'") {
  const auto dot = [](float sum, __m512bh a, __m512bh b) { return lane(_mm512_dpbf16_ps(all(sum), a, b), 11); };
  CHECK(dot(5, pair(2, 3), pair(10, 100)) == 325);
  // 2^24 + 1 rounds to 2^24: only after the second product took it away is there room for the first.
  CHECK(dot(0x1p24f, pair(1, -0x1p24f), pair(1, 1)) == 1);
  CHECK(dot(0x1p24f, pair(-0x1p24f, 1), pair(1, 1)) == 0);
  // 3 * 2^-25 is more than half of the last place of 1.
  CHECK(dot(1, pair(3, 0), pair(0x1p-25f, 0)) == 1 + 0x1p-23f);
  CHECK(dot(0, pair(0x1p-126f, 0), pair(0.5f, 0)) == 0);
  CHECK(dot(0x1p-127f, pair(0, 0), pair(0, 0)) == 0);
  CHECK(dot(0, pair(0x1p-126f, 0), pair(1, 0)) == 0x1p-126f);
  CHECK(std::isnan(dot(0, pair(kInfinity, 0), pair(0, 0))));
}

}  // namespace
}  // namespace lk::avx512_model_test
#endif
