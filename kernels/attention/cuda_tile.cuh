// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What the tensor core kernels are made of: tiles of 16-bit rows in shared memory, and products of a
// warp's 16 rows with them. Fragments are those of common/cuda/mma.cuh: of 16x8 scores or sums, lane
// 4 g + t holds columns 2 t and 2 t + 1 of row g (elements 0, 1) and of row g + 8 (2, 3). Packed to 16
// bits, two such are the left operand of the next product as they stand.
#pragma once

#include "attention/cuda_heads.cuh"
#include "common/cuda/mma.cuh"

namespace lk::cuda {

constexpr float kLog2E = 1.44269504f, kLn2 = 0.69314718f;
// Rows of a product, and 16-bit elements that move as 16 bytes.
constexpr int kProduct = 16, kChunk = 8;
using Words = Pack<uint32_t, 4>;

// A place is a number of bytes from the beginning of shared memory.
template <class T>
LK_DEVICE Shared<T> shared_at(int place) {
  return (shared_memory() + place).as<T>();
}

// Rows of kDim elements in shared memory, laid out so that one chunk of 8 neighbouring rows lies in 8
// different groups of banks: matrix loads and copies meet no conflicts. Where a row is a power of two of
// chunks, these are permuted; else rows are an odd number of chunks apart. The place of chunk c of a row
// is one instruction away from that of its chunk 0 or 1: bits of a permuted place flip.
template <class T, int kDim>
struct Tile {
  static constexpr int kChunks = kDim / kChunk;
  static constexpr bool kPermuted = (kChunks & (kChunks - 1)) == 0;
  static constexpr int kPitch = (kPermuted ? kChunks : kChunks | 1) * 16;
  static_assert(kChunks % 2 == 0 && (kChunks >= 4 && kChunks <= 16));

  int base;  // the place of row 0, a multiple of 256

  __host__ __device__ static constexpr int bytes(int rows) { return rows * kPitch; }

  LK_DEVICE int place(int row, int chunk) const {
    // Rows start at so many different groups of banks; after so many rows they start there again.
    constexpr unsigned kTurns = kChunks < 8 ? kChunks : 8;
    const int turn = kPermuted ? static_cast<unsigned>(row) / (8 / kTurns) % kTurns : 0;
    return base + row * kPitch + (turn ^ chunk) * 16;
  }
  // `further` chunks, an even number, from the chunk 0 or 1 at `place`.
  LK_DEVICE static Shared<T> at(int place, int further) {
    return shared_at<T>(kPermuted ? place ^ further * 16 : place + further * 16);
  }
  LK_DEVICE Shared<T> at_chunk(int row, int chunk) const { return shared_at<T>(place(row, chunk)); }
};

template <int kTiles>
LK_DEVICE void clear(float (&sums)[kTiles][4]) {
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) sums[n][i] = 0;
  }
}

// Starts the copy of rows [first, first + count), zeros beyond the last token and column.
template <class T, int kDim>
LK_DEVICE void copy_rows(Tile<T, kDim> to, int count, HeadRows<const T> rows, int first, int tokens,
                         int head_dim) {
  for (int i = threadIdx.x; i < count * Tile<T, kDim>::kChunks; i += blockDim.x) {
    const int row = i / Tile<T, kDim>::kChunks, chunk = i % Tile<T, kDim>::kChunks;
    const bool inside = first + row < tokens && chunk * kChunk < head_dim;
    copy_async16(to.at_chunk(row, chunk), rows.row(inside ? first + row : 0) + chunk * kChunk, inside);
  }
}

// The left operand of a product: 16 rows from `first` on, straight from global memory, zeros beyond
// the last token and column. A lane reads 16 bytes of row g + 8 (t % 2), which four lanes exchange.
template <class T, int kSteps>
LK_DEVICE void load_left(int lane, HeadRows<const T> rows, int first, int tokens, int head_dim,
                         uint32_t (&left)[kSteps][4]) {
  const int t = lane % 4, row = first + lane / 4 + t % 2 * 8;
#pragma unroll
  for (int k = 0; k < kSteps; ++k) {
    const int column = (2 * k + t / 2) * kChunk;
    Words words = {};
    if (row < tokens && column < head_dim) {
      words = load((rows.row(row) + column).template as<const Words>());
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) left[k][i] = words.v[i];
  }
#pragma unroll
  for (int k = 0; k < kSteps; ++k) transpose_quad(left[k]);
}
// Where a lane reads the left operands of 16 rows of a tile from `first` on; also the right operands of
// add_rows.
template <class T, int kDim>
LK_DEVICE int left_place(int lane, Tile<T, kDim> rows, int first) {
  return rows.place(first + lane % 16, lane / 16);
}
// The left operand of columns 16 k to 16 k + 15.
template <class T, int kDim>
LK_DEVICE void load_left(Tile<T, kDim> rows, int place, int k, uint32_t (&left)[4]) {
  load_matrices(left, rows.at(place, 2 * k));
}

// Writes 16 rows from `first` on, columns from `column` on: factors[0] * row g, factors[1] * row
// g + 8 of the sums. The way of load_left back: full 16 bytes a lane.
template <class T, int kTiles>
LK_DEVICE void store_rows(int lane, HeadRows<T> rows, int first, int column, int tokens,
                          int head_dim, const float (&sums)[kTiles][4],
                          const float (&factors)[2]) {
  const int t = lane % 4, row = first + lane / 4 + t % 2 * 8;
#pragma unroll
  for (int n = 0; n < kTiles; n += 2) {
    uint32_t words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float* pair = &sums[n + i / 2][i % 2 * 2];
      words[i] = pack_pair<T>(factors[i % 2] * pair[0], factors[i % 2] * pair[1]);
    }
    transpose_quad(words);
    const int at = column + (n + t / 2) * kChunk;
    if (row < tokens && at < head_dim) {
      store((rows.row(row) + at).template as<Words>(), {{words[0], words[1], words[2], words[3]}});
    }
  }
}

// Where a lane reads the right operands of multiply_step, of 16 rows from `first` on.
template <class T, int kDim>
LK_DEVICE int right_place(int lane, Tile<T, kDim> rows, int first) {
  return rows.place(first + lane % 8 + lane / 16 * 8, lane / 8 % 2);
}
// scores += left · rowsᵀ over columns 16 k to 16 k + 15.
template <class T, int kDim>
LK_DEVICE void multiply_step(const uint32_t (&left)[4], Tile<T, kDim> rows, int place, int k,
                             float (&scores)[2][4]) {
  uint32_t right[4];
  load_matrices(right, rows.at(place, 2 * k));
  mma<T>(scores[0], left, {right[0], right[1]});
  mma<T>(scores[1], left, {right[2], right[3]});
}
// scores = left · rowsᵀ, for 16 rows of the tile from `first` on.
template <class T, int kDim>
LK_DEVICE void multiply_rows(int lane, const uint32_t (&left)[kDim / kProduct][4],
                             Tile<T, kDim> rows, int first, float (&scores)[2][4]) {
  const int place = right_place(lane, rows, first);
  clear(scores);
#pragma unroll
  for (int k = 0; k < kDim / kProduct; ++k) multiply_step(left[k], rows, place, k, scores);
}

// sums += left · rows, for 16 rows of the tile from `first` on and its columns from chunk `chunk`, an
// even one, on.
template <class T, int kDim, int kTiles>
LK_DEVICE void add_rows(int lane, const uint32_t (&left)[4], Tile<T, kDim> rows, int first,
                        int chunk, float (&sums)[kTiles][4]) {
  const int place = left_place(lane, rows, first);
#pragma unroll
  for (int n = 0; n < kTiles; n += 2) {
    uint32_t right[4];
    load_matrices_transposed(right, rows.at(place, chunk + n));
    mma<T>(sums[n], left, {right[0], right[1]});
    mma<T>(sums[n + 1], left, {right[2], right[3]});
  }
}

template <class T>
LK_DEVICE void pack_left(const float (&scores)[2][4], uint32_t (&left)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    left[i] = pack_pair<T>(scores[i / 2][i % 2 * 2], scores[i / 2][i % 2 * 2 + 1]);
  }
}

}  // namespace lk::cuda
