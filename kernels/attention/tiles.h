// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The small matrix products attention is made of, for operands already packed into scratch memory:
// tiles of rows x vectors whose sums stay in registers. Included by cpu.cpp once per instruction
// set.
#pragma once

#include "common/half.h"

namespace lk::LK_ISA {

// Rows and vectors of a tile: as many sums as the registers hold beside one left and a row of right
// operands, and enough to keep both multiply-add pipes busy (latency 4 x 2 pipes = 8).
constexpr int kTileRows = 6;
constexpr int kTileVectors = kLanes == 16 ? 4 : 2;
// Columns of a tile: right operands that are packed for it lie in panels this wide.
constexpr int64_t kPanel = kTileVectors * kLanes;

inline int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// Element (i, s) of a left operand is data[i * row + s * step].
struct Left {
  const float* data;
  int64_t row, step;
};
// Element (s, j) of a right operand is data[j / kPanel * panel + s * step + j % kPanel].
struct Right {
  const float* data;
  int64_t step, panel;
};

// c[kTileRows][Vectors * kLanes] = (Add ? c : 0) + sum over s of left(i, s) right(s, j).
template <int Vectors, bool Add>
inline void tile(const float* a, int64_t a_row, int64_t a_step, const float* b, int64_t b_step,
                 int64_t steps, float* c, int64_t c_row) {
  // Unrolled in full, so that the sums are registers and never an array.
  Vec sum[kTileRows][Vectors];
#pragma GCC unroll 8
  for (int i = 0; i < kTileRows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) sum[i][j] = Vec{};
  }
  for (int64_t s = 0; s < steps; ++s) {
    Vec right[Vectors];
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) right[j] = load(b + j * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kTileRows; ++i) {
      const Vec left = splat(a[i * a_row]);
#pragma GCC unroll 4
      for (int j = 0; j < Vectors; ++j) sum[i][j] += left * right[j];
    }
    a += a_step;
    b += b_step;
  }
#pragma GCC unroll 8
  for (int i = 0; i < kTileRows; ++i) {
    float* row = c + i * c_row;
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) {
      store(row + j * kLanes, Add ? load(row + j * kLanes) + sum[i][j] : sum[i][j]);
    }
  }
}

// All tiles of some columns: the right operand's columns stay in L1 cache meanwhile.
template <int Vectors, bool Add>
[[gnu::noinline]] void tile_column(Left a, const float* b, int64_t b_step, int64_t steps, float* c,
                                   int64_t c_row, int64_t rows) {
  for (int64_t i = 0; i < rows; i += kTileRows) {
    tile<Vectors, Add>(a.data + i * a.row, a.row, a.step, b, b_step, steps, c + i * c_row, c_row);
  }
}

template <bool Add>
inline void multiply_columns(Left a, Right b, int64_t steps, float* c, int64_t c_row, int64_t rows,
                             int64_t vectors) {
  for (int64_t v = 0; v < vectors;) {
    const int64_t left = vectors - v;
    const float* right = b.data + v / kTileVectors * b.panel + v % kTileVectors * kLanes;
    float* to = c + v * kLanes;
    if (kTileVectors == 4 && left >= 4) {
      tile_column<kTileVectors, Add>(a, right, b.step, steps, to, c_row, rows);
      v += 4;
    } else if (left >= 2) {
      tile_column<2, Add>(a, right, b.step, steps, to, c_row, rows);
      v += 2;
    } else {
      tile_column<1, Add>(a, right, b.step, steps, to, c_row, rows);
      v += 1;
    }
  }
}

// c[rows][vectors * kLanes] = (add ? c : 0) + a b, summed over `steps`. Rows of c, and of a, are
// whole tiles: those beyond `rows` hold anything.
inline void multiply(Left a, Right b, int64_t steps, bool add, float* c, int64_t c_row,
                     int64_t rows, int64_t vectors) {
  if (add) {
    multiply_columns<true>(a, b, steps, c, c_row, rows, vectors);
  } else {
    multiply_columns<false>(a, b, steps, c, c_row, rows, vectors);
  }
}

// Turns kLanes rows of kLanes elements into its columns: log2(kLanes) rounds, each interleaving the
// first half of the rows with the second.
inline void transpose(Vec (&rows)[kLanes]) {
  const Int lane = lane_numbers();
  const Int low = lane / 2 + (lane & 1) * kLanes, high = low + kLanes / 2;
#pragma GCC unroll 4
  for (int round = 1; round < kLanes; round *= 2) {
    Vec mixed[kLanes];
#pragma GCC unroll 8
    for (int i = 0; i < kLanes / 2; ++i) {
      mixed[2 * i] = __builtin_shuffle(rows[i], rows[i + kLanes / 2], low);
      mixed[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + kLanes / 2], high);
    }
    for (int i = 0; i < kLanes; ++i) rows[i] = mixed[i];
  }
}

// The first n elements at p, zero in the other lanes; n may be 0 or less, or kLanes or more.
template <class T>
inline Vec load_up_to(const T* p, int64_t n) {
  return n >= kLanes ? load(p) : n > 0 ? load_first(p, n) : Vec{};
}

// to[i][..] = scale * from row i, columns up to a whole vector and rows up to padded_rows zero.
template <class T>
inline void pack_rows(const T* from, int64_t from_row, int64_t rows, int64_t columns,
                      float scale, int64_t padded_rows, float* to, int64_t to_row) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; j += kLanes) {
      store(to + i * to_row + j, scale * load_up_to(from + i * from_row + j, columns - j));
    }
  }
  for (int64_t i = rows; i < padded_rows; ++i) {
    for (int64_t j = 0; j < columns; j += kLanes) store(to + i * to_row + j, Vec{});
  }
}

// The transpose of from [rows][columns] as a right operand: panels of kPanel of its rows, each
// [columns][kPanel]; missing rows of the last vector are zero.
template <class T>
inline void pack_transposed(const T* from, int64_t from_row, int64_t rows, int64_t columns,
                            float* to) {
  for (int64_t i = 0; i < rows; i += kLanes) {
    float* panel = to + i / kPanel * (columns * kPanel) + i % kPanel;
    for (int64_t j = 0; j < columns; j += kLanes) {
      Vec block[kLanes];
      for (int r = 0; r < kLanes; ++r) {
        block[r] = i + r < rows ? load_up_to(from + (i + r) * from_row + j, columns - j) : Vec{};
      }
      transpose(block);
      for (int r = 0; r < kLanes && j + r < columns; ++r) store(panel + (j + r) * kPanel, block[r]);
    }
  }
}

}  // namespace lk::LK_ISA
