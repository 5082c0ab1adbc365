// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Tile registers in software, for tests on processors without them: what Intel's manual says that
// LDTILECFG, TILERELEASE, TILEZERO, TILELOADD, TILESTORED and TDPBF16PS do, to the bit. What would be
// a fault there ends the process here.
#pragma once

#include "common/tiles.h"

namespace lk::LK_ISA::tiles {

constexpr int kRegisters = 8, kMostRows = 16, kRowBytes = 64, kRowWords = kRowBytes / 4;

struct Model {
  bool configured = false;
  Shapes shapes;
  uint32_t words[kRegisters][kMostRows][kRowWords] = {};

  int rows(int tile) const { return shapes.rows[tile]; }
  int row_bytes(int tile) const { return shapes.row_bytes[tile]; }
};
inline thread_local Model model;

inline void expect(bool holds) {
  if (!holds) __builtin_trap();
}
inline void expect_configured(int tile) {
  expect(model.configured && tile < kRegisters && model.rows(tile) > 0);
}

inline void release() { model = {}; }
inline void expect_released() { expect(!model.configured); }

inline void configure(const Shapes& shapes) {
  release();
  expect(shapes.palette == 1 && shapes.start_row == 0);
  for (const uint8_t byte : shapes.reserved) expect(byte == 0);
  for (int tile = 0; tile < 16; ++tile) {
    const int rows = shapes.rows[tile], bytes = shapes.row_bytes[tile];
    expect((rows == 0) == (bytes == 0));
    expect(tile < kRegisters ? rows <= kMostRows && bytes <= kRowBytes : rows == 0);
  }
  model.shapes = shapes;
  model.configured = true;
}

template <int Tile>
inline void zero() {
  expect_configured(Tile);
  __builtin_memset(model.words[Tile], 0, sizeof(model.words[Tile]));
}

template <int Tile>
inline void load(const float* from, int64_t stride) {
  zero<Tile>();
  for (int row = 0; row < model.rows(Tile); ++row) {
    __builtin_memcpy(model.words[Tile][row], reinterpret_cast<const char*>(from) + row * stride,
                     static_cast<size_t>(model.row_bytes(Tile)));
  }
}

template <int Tile>
inline void store(float* to, int64_t stride) {
  expect_configured(Tile);
  for (int row = 0; row < model.rows(Tile); ++row) {
    __builtin_memcpy(reinterpret_cast<char*>(to) + row * stride, model.words[Tile][row],
                     static_cast<size_t>(model.row_bytes(Tile)));
  }
}

inline float number(uint32_t word) {
  float value;
  __builtin_memcpy(&value, &word, sizeof(value));
  return value;
}

// One row of sums. Not inlined: nothing of it may move out from between the changes of the
// processor's floating-point mode.
[[gnu::noipa]] inline void add_row(const uint32_t* scalars, int steps,
                                   const uint32_t (*vectors)[kRowWords], int columns,
                                   uint32_t* sums) {
  float first[kRowWords] = {}, second[kRowWords] = {};
  for (int k = 0; k < steps; ++k) {
    const float a = number(scalars[k] << 16), b = number(scalars[k] & 0xFFFF0000u);
    for (int n = 0; n < kRowWords; ++n) {
      first[n] = __builtin_fmaf(a, number(vectors[k][n] << 16), first[n]);
      second[n] = __builtin_fmaf(b, number(vectors[k][n] & 0xFFFF0000u), second[n]);
    }
  }
  for (int n = 0; n < columns; ++n) {
    const float sum = number(sums[n]) + (first[n] + second[n]);
    __builtin_memcpy(sums + n, &sum, sizeof(sum));
  }
}

template <int Sums, int Scalars, int Vectors>
inline void dot() {
  static_assert(Sums != Scalars && Sums != Vectors && Scalars != Vectors);
  for (const int tile : {Sums, Scalars, Vectors}) {
    expect_configured(tile);
    expect(model.row_bytes(tile) % 4 == 0);
  }
  expect(model.rows(Sums) == model.rows(Scalars));
  expect(model.row_bytes(Sums) == model.row_bytes(Vectors));
  expect(model.row_bytes(Scalars) / 4 == model.rows(Vectors));
  // No exceptions, subnormal operands and results are 0, to nearest even.
  constexpr unsigned kMode = 0x1F80 | 0x8000 | 0x0040;
  const unsigned before = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(kMode);
  for (int row = 0; row < model.rows(Sums); ++row) {
    add_row(model.words[Scalars][row], model.row_bytes(Scalars) / 4, model.words[Vectors],
            model.row_bytes(Sums) / 4, model.words[Sums][row]);
  }
  __builtin_ia32_ldmxcsr(before);
}

}  // namespace lk::LK_ISA::tiles
