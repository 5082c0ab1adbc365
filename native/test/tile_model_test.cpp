// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The model of AMX's tile registers against what Intel's manual says of the instructions, with values
// worked by hand: tests of the AMX kernels are worth what the model is.
#if defined(__x86_64__)
#define LK_ISA tile_model_test
#define LK_TILE_MODEL
#include "common/tiles.h"

#include <doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

namespace lk::test {
namespace {

namespace tiles = tile_model_test::tiles;

// Sums of `rows` by 16 in register 0, of rows of `steps` pairs in 1 with `steps` vectors in 2.
tiles::Shapes shapes(int rows, int steps) {
  tiles::Shapes shapes;
  shapes.rows[0] = shapes.rows[1] = static_cast<uint8_t>(rows);
  shapes.rows[2] = static_cast<uint8_t>(steps);
  shapes.row_bytes[0] = shapes.row_bytes[2] = 64;
  shapes.row_bytes[1] = static_cast<uint16_t>(4 * steps);
  return shapes;
}

struct Pair {
  float first, second;
};
// Two bf16 numbers as a unit of 4 bytes; the numbers are bf16 already.
float unit(Pair pair) {
  uint32_t low, high;
  std::memcpy(&low, &pair.first, 4);
  std::memcpy(&high, &pair.second, 4);
  const uint32_t both = (low >> 16) | (high & 0xFFFF0000u);
  float result;
  std::memcpy(&result, &both, 4);
  return result;
}

// start + scalars * vectors, in column 3 of the last of `rows` rows.
float dot(float start, std::vector<Pair> scalars, std::vector<Pair> vectors, int rows = 1) {
  const int steps = static_cast<int>(scalars.size());
  std::vector<float> a(rows * steps), b(steps * 16), sums(rows * 16);
  for (int k = 0; k < steps; ++k) {
    a[(rows - 1) * steps + k] = unit(scalars[k]);
    b[k * 16 + 3] = unit(vectors[k]);
  }
  sums[(rows - 1) * 16 + 3] = start;
  tiles::configure(shapes(rows, steps));
  tiles::load<0>(sums.data(), 64);
  tiles::load<1>(a.data(), 4 * steps);
  tiles::load<2>(b.data(), 64);
  tiles::dot<0, 1, 2>();
  tiles::store<0>(sums.data(), 64);
  tiles::release();
  return sums[(rows - 1) * 16 + 3];
}

TEST_CASE("tiles: the model adds both numbers' products to the sum") {
  CHECK(dot(5, {{2, 3}}, {{10, 100}}) == 325);
  CHECK(dot(5, {{2, 3}, {4, 0}}, {{10, 100}, {-1, 7}}, 16) == 321);
}

TEST_CASE("tiles: the model sums first and second numbers apart, from 0, before it adds them") {
  const float big = 0x1p24f;
  // 2^24 + 1 rounds back to 2^24: added one after the other all ones would be lost.
  CHECK(dot(big, {{1, 0}, {1, 0}}, {{1, 0}, {1, 0}}) == big + 2);
  CHECK(dot(big, {{1, 1}}, {{1, 1}}) == big + 2);
  CHECK(dot(0, {{big, 1}, {0, 1}}, {{1, 1}, {0, 1}}) == big + 2);
  // In order of k: big first swallows the one, the other way round both are gone before it comes.
  CHECK(dot(0, {{big, 0}, {1, 0}, {-big, 0}}, {{1, 0}, {1, 0}, {1, 0}}) == 0);
  CHECK(dot(0, {{big, 0}, {-big, 0}, {1, 0}}, {{1, 0}, {1, 0}, {1, 0}}) == 1);
}

TEST_CASE("tiles: the model rounds to nearest even once a product") {
  // 2^24 + 3 lies between 2^24 + 2 and 2^24 + 4: to even.
  CHECK(dot(0, {{0x1p24f, 0}, {3, 0}}, {{1, 0}, {1, 0}}) == 0x1p24f + 4);
  // The product 2^-140 by itself would be zero.
  CHECK(dot(0, {{0x1p-120f, 0}, {0x1p-100f, 0}}, {{1, 0}, {0x1p-40f, 0}}) == 0x1p-120f + 0x1p-140f);
}

TEST_CASE("tiles: to the model subnormal numbers are zero, as operands and as results") {
  const float least = 0x1p-126f;
  CHECK(dot(0, {{least / 2, 0}}, {{0x1p100f, 0}}) == 0);
  CHECK(dot(least / 2, {{0, 0}}, {{0, 0}}) == 0);
  CHECK(dot(0, {{least, 0}}, {{0.5f, 0}}) == 0);
  CHECK(dot(0, {{least, 0}}, {{1, 0}}) == least);
  CHECK(dot(1.5f * least, {{-least, 0}}, {{1, 0}}) == 0);
  // Two halves of the least normal number, each flushed before they meet.
  CHECK(dot(0, {{least, least}}, {{0.5f, 0.5f}}) == 0);
}

TEST_CASE("tiles: the model leaves the processor's floating-point mode and flags alone") {
  const unsigned before = __builtin_ia32_stmxcsr();
  CHECK(std::isinf(dot(0, {{0x1p100f, 0}}, {{0x1p100f, 0}})));
  CHECK(__builtin_ia32_stmxcsr() == before);
}

TEST_CASE("tiles: loads and stores move a register's own shape and nothing beyond it") {
  std::vector<float> from(16 * 20), to(16 * 20, -1);
  for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<float>(i);
  tiles::Shapes shapes;
  shapes.rows[6] = 3;
  shapes.row_bytes[6] = 8;
  tiles::configure(shapes);
  tiles::load<6>(from.data(), 80);
  tiles::store<6>(to.data(), 80);
  for (int row = 0; row < 16; ++row) {
    for (int j = 0; j < 20; ++j) {
      CHECK(to[row * 20 + j] == (row < 3 && j < 2 ? static_cast<float>(row * 20 + j) : -1));
    }
  }
  // New shapes fill registers with zeros.
  tiles::configure(shapes);
  tiles::store<6>(to.data(), 80);
  CHECK(to[20] == 0);
  tiles::load<6>(from.data(), 80);
  tiles::zero<6>();
  tiles::store<6>(to.data(), 80);
  CHECK(to[41] == 0);
  tiles::release();
}

}  // namespace
}  // namespace lk::test
#endif
