// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Slices of operands in shared memory, as the tensor cores' products read them. c(i, j) is the sum
// over l of a(i, l) b(j, l); an operand lies in memory along l ("rows") or along i or j ("columns"),
// and a slice keeps that order:
//
//   along l    kSide rows of kDepthOf<T> elements
//   across     kDepthOf<T> rows of kSide elements
//
// Rows are made of 16-byte chunks, and chunks of a row trade places by the row's number (place()), so
// that the eight rows of an 8x8 matrix lie in different banks, whichever way it is read.
//
// T is a 16-bit type, or float: then products are tf32's. In bytes a slice along l is the same, and an
// 8x8 matrix of 16-bit elements is one of 8x4 f32 elements. No matrix load turns 4-byte elements, so
// that a slice across is read word by word: four rows of eight words lie in different banks. Operands
// are rounded to tf32 as they leave shared memory.
#pragma once

#include "common/cuda/mma.cuh"
#include "common/cuda/rows.cuh"

namespace lk::cuda {

constexpr int kDepth = 32;    // l of a slice: two steps of an mma
constexpr int kChunk = 8;     // 16-bit elements of 16 bytes
constexpr int kMmaDepth = 16;

// The same of any type, whose l has as many bytes.
constexpr int kSliceBytes = 64;
template <class T>
constexpr int kDepthOf = kSliceBytes / static_cast<int>(sizeof(T));
template <class T>
constexpr int kMmaDepthOf = kDepthOf<T> / 2;

template <int kSide, bool kAlongL, class T = Bf16>
struct Slice {
  static constexpr bool kWords = sizeof(T) == 4;
  static constexpr int kDepth = kDepthOf<T>, kChunk = kChunkElements<T>;
  static constexpr int kElements = kSide * kDepth;
  static constexpr int kChunks = kElements / kChunk;
  static constexpr int kRowChunks = (kAlongL ? kDepth : kSide) / kChunk;
  static_assert(kRowChunks == 2 || kRowChunks == 4 || kRowChunks % 8 == 0, "place() permutes these");
  static_assert(kAlongL || !kWords || kRowChunks % 8 == 0, "words of four rows meet no bank twice");

  // Where chunk `chunk` of row `row` is, in elements. The banks repeat every eight chunks: rows that
  // begin at the same bank permute their chunks differently.
  LK_DEVICE static int place(int row, int chunk) {
    if (kWords && !kAlongL) return row * (kRowChunks * kChunk) + (chunk ^ (row & 3) * 2) * kChunk;
    const int swizzle = kRowChunks >= 8 ? row & 7 : kRowChunks == 4 ? row / 2 & 3 : row / 4 & 1;
    return row * (kRowChunks * kChunk) + (chunk ^ swizzle) * kChunk;
  }

  // Four matrices of 8 rows of 16 bytes, the lanes' registers in order, at (i, l), (i + di, l + dl),
  // ...: matrix q takes the offsets (q & 1) and (q / 2), which are 8 along i or a chunk along l.
  template <bool kFirstAlongL>
  LK_DEVICE static void fragments(uint32_t (&out)[4], Shared<T> slice, int i, int l) {
    if constexpr (kWords && !kAlongL) {
      words<kFirstAlongL>(out, slice, i, l);
    } else {
      matrices<kFirstAlongL>(out, slice, i, l);
    }
  }
  template <bool kFirstAlongL>
  LK_DEVICE static void words(uint32_t (&out)[4], Shared<T> slice, int i, int l) {
    const int g = lane_of_warp() / 4, t = lane_of_warp() % 4;
#pragma unroll
    for (int q = 0; q < 4; ++q) {
      const int row = l + (kFirstAlongL ? q & 1 : q / 2) * kChunk + t;
      const int column = i + (kFirstAlongL ? q / 2 : q & 1) * 8 + g;
      out[q] = to_tf32(load_word(slice + (place(row, column / kChunk) + column % kChunk)));
    }
  }
  template <bool kFirstAlongL>
  LK_DEVICE static void matrices(uint32_t (&out)[4], Shared<T> slice, int i, int l) {
    const int lane = lane_of_warp(), matrix = lane / 8, r = lane % 8;
    const int along_l = (kFirstAlongL ? matrix & 1 : matrix / 2) * kChunk;
    const int along_i = (kFirstAlongL ? matrix / 2 : matrix & 1) * 8;
    if constexpr (kAlongL) {
      load_matrices(out, slice + place(i + along_i + r, (l + along_l) / kChunk));
      if constexpr (kWords) {
#pragma unroll
        for (int q = 0; q < 4; ++q) out[q] = to_tf32(out[q]);
      }
    } else {
      load_matrices_transposed(out, slice + place(l + along_l + r, (i + along_i) / kChunk));
    }
  }
  // a[0..3] of a block of the left operand at (i, l), 16 by an mma's depth.
  LK_DEVICE static void left(uint32_t (&a)[4], Shared<T> slice, int i, int l) {
    fragments<false>(a, slice, i, l);
  }
  // b[0..1] of two blocks of 8 of the right operand, at (j, l) and (j + 8, l).
  LK_DEVICE static void right(uint32_t (&b)[4], Shared<T> slice, int j, int l) {
    fragments<true>(b, slice, j, l);
  }
};

// A block's tile of c, cut into warps' tiles of kWarpM x kWarpN.
template <int kM_, int kN_, int kWarpM_, int kWarpN_>
struct TileShape {
  static constexpr int kM = kM_, kN = kN_, kWarpM = kWarpM_, kWarpN = kWarpN_;
  static constexpr int kThreads = kM / kWarpM * (kN / kWarpN) * kWarp;
  static_assert(kWarpM % 16 == 0 && kWarpN % 16 == 0 && kM % kWarpM == 0 && kN % kWarpN == 0, "");
};

// A warp's part of the tile: blocks of 16 x 8, as mma.cuh lays d out.
template <class Shape>
struct Accumulators {
  static constexpr int kBlocksM = Shape::kWarpM / 16, kBlocksN = Shape::kWarpN / 8;
  float d[kBlocksM][kBlocksN][4] = {};

  LK_DEVICE static int first_row() { return warp_of_block() / (Shape::kN / Shape::kWarpN) * Shape::kWarpM; }
  LK_DEVICE static int first_column() {
    return warp_of_block() % (Shape::kN / Shape::kWarpN) * Shape::kWarpN;
  }

  // Adds the product of two slices, the first `steps` halves of their l.
  template <class T, bool kLeftAlongL, bool kRightAlongL>
  LK_DEVICE void add(Shared<T> left, Shared<T> right, int steps = 2) {
    using Product = std::conditional_t<std::is_same_v<T, float>, Tf32, T>;
#pragma unroll
    for (int step = 0; step < 2; ++step) {
      if (step >= steps) break;
      const int l = step * kMmaDepthOf<T>;
      uint32_t a[kBlocksM][4], b[kBlocksN / 2][4];
#pragma unroll
      for (int m = 0; m < kBlocksM; ++m) {
        Slice<Shape::kM, kLeftAlongL, T>::left(a[m], left, first_row() + 16 * m, l);
      }
#pragma unroll
      for (int n = 0; n < kBlocksN / 2; ++n) {
        Slice<Shape::kN, kRightAlongL, T>::right(b[n], right, first_column() + 16 * n, l);
      }
#pragma unroll
      for (int m = 0; m < kBlocksM; ++m) {
#pragma unroll
        for (int n = 0; n < kBlocksN; ++n) {
          const uint32_t half[2] = {b[n / 2][n % 2 * 2], b[n / 2][n % 2 * 2 + 1]};
          mma<Product>(d[m][n], a[m], half);
        }
      }
    }
  }

  // Calls body(i, j, two) for neighbours (i, j), (i, j + 1) of the tile.
  template <class Body>
  LK_DEVICE void each_pair(const Body& body) {
    const int g = lane_of_warp() / 4, t = lane_of_warp() % 4;
#pragma unroll
    for (int m = 0; m < kBlocksM; ++m) {
#pragma unroll
      for (int n = 0; n < kBlocksN; ++n) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          body(first_row() + 16 * m + 8 * half + g, first_column() + 8 * n + 2 * t, &d[m][n][2 * half]);
        }
      }
    }
  }
};

}  // namespace lk::cuda
