// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The f32 matrix product that the rooms share: one register tile, two operand layouts.
//
// A product is a number of steps; each adds an outer product to a tile of at most kTileRows rows
// by kPanel columns held in registers:
//
//   tile[r][c] += scalars(step, r) * vectors(step, c)
//
// - The scalar operand lies in blocks of kPanel steps: step s of row r is at
//   scalars[s / kPanel * block + r * kPanel + s % kPanel], so that a row's steps are contiguous.
// - The vector operand has one row of kPanel columns a step.
//
// A "turned" panel is [columns of a matrix][kPanel of its rows]. It is a vector operand whose
// steps are the matrix's columns; and a list of turned panels is a scalar operand whose steps are
// the matrix's rows. So one packed copy of W [n, k], as panels [n / kPanel][k][kPanel], serves
// x Wᵀ (vectors: steps over k, lanes n) and dy W (scalars: steps over n, tile rows k).
//
// Every element of a tile is summed step by step in ascending order, whatever the tile's shape:
// results do not depend on how a product is cut into tiles.
#pragma once

#include "common/loops.h"

namespace lk::LK_ISA {

constexpr int kPanel = 2 * kLanes;
// Accumulators, two vectors and a broadcast fit the register file: 24 + 3 of 32, 12 + 3 of 16.
constexpr int kTileRows = LK_VECTOR_BYTES == 64 ? 12 : 6;

constexpr int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }
constexpr int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

struct Steps {
  const float* scalars;
  int64_t block;   // elements from one block of kPanel steps to the next
  const float* vectors;
  int64_t stride;  // elements from one step to the next
  int64_t count;
};

// tile[r * stride + c] = (add ? itself : 0) + the steps' sum, for r < rows <= kTileRows and
// c < kLanes, or kPanel when columns > kLanes. Columns beyond `columns` are computed from whatever
// the vector operand holds there.
void multiply_tile(const Steps& steps, int64_t rows, int64_t columns, float* tile, int64_t stride,
                   bool add);

// Rows of a matrix as a scalar operand: panel [columns / kPanel][rows][kPanel], rows <= kTileRows.
void pack_rows(const float* matrix, int64_t stride, int64_t rows, int64_t columns, float* panel);

// Rows of a matrix, turned: panel [columns][kPanel], 0 in the lanes beyond rows <= kPanel.
// scales: a factor for each row, or NULL.
void pack_turned(const float* matrix, int64_t stride, int64_t rows, int64_t columns,
                 const float* scales, float* panel);

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
