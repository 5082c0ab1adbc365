// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The matrix product that the rooms share: one register tile over packed operands, for f32 and bf16
// numbers with f32 sums.
//
// Packed operands are made of units of 4 bytes. A unit is one f32 number; or, where the processor
// multiplies bf16 numbers in pairs, two bf16 numbers of successive terms of the sum, the earlier one
// in the lower half. kDepth<T> is how many numbers of type T a unit holds. Elsewhere bf16 numbers are
// widened to f32 while they are packed, and kDepth<Bf16> is 1 too.
//
// A product is a number of steps; each adds an outer product to a tile of at most kTileRows rows by
// kPanel columns held in registers:
//
//   tile[r][c] += scalars(step, r) * vectors(step, c)      (of pairs: both products)
//
// - The scalar operand lies in blocks of kPanel steps: step s of row r is at
//   scalars[s / kPanel * block + r * kPanel + s % kPanel], so that a row's steps are contiguous.
// - The vector operand has one row of kPanel columns a step.
//
// Every element of a tile is summed step by step in ascending order, whatever the tile's shape and
// however the steps are cut into calls: results do not depend on how a product is cut. Where Intel AMX
// multiplies pairs, 16 steps are summed by themselves before they are added (tiles.h): there this holds
// for cuts at multiples of 16 steps, and callers make no others.
#pragma once

#include "common/loops.h"

namespace lk::LK_ISA {

constexpr int kPanel = 2 * kLanes;
// Accumulators, two vectors and a broadcast fit the register file: 28 + 3 of 32, 12 + 3 of 16.
constexpr int kVectorRows = LK_VECTOR_BYTES == 64 ? 14 : 6;
// AMX's sums are two by two tile registers; f32 makes such a tile in parts.
#if defined(__AMX_BF16__) || defined(LK_TILE_MODEL)
#define LK_TILES 1
constexpr int kTileRows = 32;
#else
#define LK_TILES 0
constexpr int kTileRows = kVectorRows;
#endif

template <class T>
constexpr int kDepth = 1;
#if LK_AVX512_BF16
template <>
constexpr int kDepth<Bf16> = 2;
#endif

constexpr int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// Steps that a sum of `terms` terms takes.
template <class T>
constexpr int64_t steps_of(int64_t terms) { return divide_up(terms, kDepth<T>); }

// Units of a packed panel of vectors, `terms` of them.
template <class T>
constexpr int64_t panel_units(int64_t terms) { return steps_of<T>(terms) * kPanel; }

// Units of a row of scalars, `terms` of them: whole blocks.
template <class T>
constexpr int64_t row_units(int64_t terms) { return round_up(steps_of<T>(terms), kPanel); }

// A tile of some matrix, two cache lines of each of its rows; or none. Rows that lie pages
// apart are a pattern that no hardware prefetcher follows.
struct Later {
  const void* first = nullptr;
  int64_t stride = 0;  // bytes
};

// What a number of steps multiply.
struct Operands {
  const float* scalars = nullptr;
  int64_t block = 0;   // units from one block of kPanel steps to the next
  const float* vectors = nullptr;
  int64_t stride = 0;  // units from one step to the next; kPanel where they are pairs
  int64_t count = 0;   // of steps
};

struct Steps : Operands {
  // What the sums will meet, asked for meanwhile.
  Later later[2] = {};
  // Steps that follow in the same registers, if any.
  Operands then = {};

  // The same without the first rows.
  Steps from_row(int64_t row) const {
    Steps rest = *this;
    rest.scalars += row * kPanel;
    if (then.count > 0) rest.then.scalars += row * kPanel;
    for (Later& tile : rest.later) {
      if (tile.first != nullptr) tile.first = static_cast<const char*>(tile.first) + row * tile.stride;
    }
    return rest;
  }
};

// tile[r * stride + c] = (add ? itself : 0) + the steps' sum, for r < rows <= kTileRows and
// c < kLanes, or kPanel when columns > kLanes. Columns beyond `columns` are computed from whatever
// the vector operand holds there. Units are those of T.
template <class T>
void multiply_tile(const Steps& steps, int64_t rows, int64_t columns, float* tile, int64_t stride,
                   bool add);

// A task that multiplies holds one of these meanwhile. Tile registers are shaped by the task's first
// product and emptied at its end: full ones are saved at every change of threads, and keep a core from
// sleeping.
#if LK_TILES
struct TileRegisters {
  TileRegisters();
  ~TileRegisters();
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;
};
// multiply_tile of pairs.
void multiply_by_tiles(const Steps& steps, int64_t rows, int64_t columns, float* tile,
                       int64_t stride, bool add);
#else
struct TileRegisters {
  TileRegisters() {}
};
#endif

// ---- Packing: Number is what the matrix holds, T whose units are made of it ----

// Rows of a matrix as rows of a scalar operand: [steps / kPanel][rows][kPanel], rows <= kTileRows.
// The last unit is filled up with 0.
template <class T, class Number>
void pack_rows(const Number* matrix, int64_t stride, int64_t rows, int64_t columns, float* packed);

// At most kPanel * kDepth<T> rows of a matrix, its columns being the rows of a scalar operand: one
// block [columns][kPanel]. scales: a factor for each row, or NULL. Terms beyond the rows are 0.
template <class T, class Number>
void pack_column_scalars(const Number* matrix, int64_t stride, int64_t rows, int64_t columns,
                         const float* scales, float* packed);

// At most kPanel rows of a matrix as lanes of a vector operand: [steps over the columns][kPanel], 0
// in the lanes beyond the rows.
template <class T, class Number>
void pack_turned(const Number* matrix, int64_t stride, int64_t rows, int64_t columns,
                 float* packed);

// At most kPanel columns of a matrix as lanes of a vector operand: [steps over the rows][kPanel], 0
// in the lanes beyond the columns. kept: a bit for each column of each row, clear where the number
// counts as 0; or NULL.
template <class T, class Number>
void pack_columns(const Number* matrix, int64_t stride, int64_t rows, int64_t columns, float* packed,
                  const uint32_t* kept = nullptr);

// What pack_columns makes of columns first .. first + columns - 1 of some rows, from what
// pack_turned made of these rows. `first` is a multiple of kPanel.
template <class T>
void turn_panel(const float* turned, int64_t rows, int64_t first, int64_t columns, float* packed);

// A register of units, their numbers 0 where bits are clear: the first number's is the lowest.
template <class T>
inline Vec keep_numbers(Vec units, uint32_t bits) {
#if LK_AVX512_BF16
  if constexpr (kDepth<T> == 2) {
    return reinterpret_cast<Vec>(_mm512_maskz_mov_epi16(bits, reinterpret_cast<__m512i>(units)));
  }
#endif
  return keep(units, bits);
}

#if LK_AVX512_BF16
// Pairs (first, second) lane by lane of 2 kLanes bf16 numbers each: those of the first kLanes
// numbers, and those of the others.
inline void pair_up(Vec first, Vec second, Vec& low, Vec& high) {
  typedef int16_t Halves __attribute__((vector_size(LK_VECTOR_BYTES)));
  Halves low_halves, high_halves;
  for (int i = 0; i < kLanes; ++i) {
    low_halves[2 * i] = static_cast<int16_t>(i);
    high_halves[2 * i] = static_cast<int16_t>(kLanes + i);
    low_halves[2 * i + 1] = static_cast<int16_t>(2 * kLanes + i);
    high_halves[2 * i + 1] = static_cast<int16_t>(3 * kLanes + i);
  }
  const Halves a = reinterpret_cast<Halves>(first), b = reinterpret_cast<Halves>(second);
  low = reinterpret_cast<Vec>(__builtin_shuffle(a, b, low_halves));
  high = reinterpret_cast<Vec>(__builtin_shuffle(a, b, high_halves));
}
#endif

// Swaps the two off-diagonal quarters of every block of 2 Distance rows and lanes.
template <int Distance>
inline void transpose_blocks(Vec (&rows)[kLanes]) {
  const Int lanes = lane_numbers();
  const Int odd = (lanes & Distance) != 0;
  const Int low = odd ? lanes + (kLanes - Distance) : lanes;
  const Int high = odd ? lanes + kLanes : lanes + Distance;
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if (i & Distance) continue;
    const Vec a = rows[i], b = rows[i + Distance];
    rows[i] = __builtin_shuffle(a, b, low);
    rows[i + Distance] = __builtin_shuffle(a, b, high);
  }
}

// rows [kLanes][kLanes], in place.
inline void transpose(Vec (&rows)[kLanes]) {
  transpose_blocks<1>(rows);
  transpose_blocks<2>(rows);
  if constexpr (kLanes > 4) transpose_blocks<4>(rows);
  if constexpr (kLanes > 8) transpose_blocks<8>(rows);
}

}  // namespace lk::LK_ISA
