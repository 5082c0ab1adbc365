// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "common/gemm.h"

namespace lk::LK_ISA {
namespace {

template <int Rows, int Vectors>
void multiply(const Steps& steps, float* tile, int64_t tile_stride, bool add) {
  Vec sum[Rows][Vectors] = {};
  if (add) {
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) sum[r][v] = load(tile + r * tile_stride + v * kLanes);
    }
  }
  const float* scalars = steps.scalars;
  const float* vectors = steps.vectors;
  const int64_t stride = steps.stride;
  for (int64_t left = steps.count; left > 0; left -= kPanel, scalars += steps.block) {
    const int64_t count = smaller(left, kPanel);
    // Blocks far apart are a pattern no hardware prefetcher follows: ask for the next one now.
    const float* next = scalars + (left > kPanel ? steps.block : 0);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      __builtin_prefetch(next + r * kPanel);
      __builtin_prefetch(next + r * kPanel + kLanes);
    }
    for (int64_t s = 0; s < count; ++s, vectors += stride) {
      Vec vector[Vectors];
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) vector[v] = load(vectors + v * kLanes);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) {
        const Vec scalar = splat(scalars[r * kPanel + s]);
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) sum[r][v] += scalar * vector[v];
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) store(tile + r * tile_stride + v * kLanes, sum[r][v]);
  }
}

using Multiply = void (*)(const Steps&, float*, int64_t, bool);

template <int Rows, int Vectors>
Multiply choose(int64_t rows) {
  if constexpr (Rows > 1) {
    if (rows < Rows) return choose<Rows - 1, Vectors>(rows);
  }
  return multiply<Rows, Vectors>;
}

}  // namespace

void multiply_tile(const Steps& steps, int64_t rows, int64_t columns, float* tile, int64_t stride,
                   bool add) {
  const Multiply multiply_rows =
      columns > kLanes ? choose<kTileRows, 2>(rows) : choose<kTileRows, 1>(rows);
  multiply_rows(steps, tile, stride, add);
}

void pack_rows(const float* matrix, int64_t stride, int64_t rows, int64_t columns, float* panel) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = matrix + r * stride;
    float* to = panel + r * kPanel;
    int64_t j = 0;
    for (; j + kPanel <= columns; j += kPanel, to += rows * kPanel) {
      store(to, load(from + j));
      store(to + kLanes, load(from + j + kLanes));
    }
    for (; j < columns; ++j, ++to) *to = from[j];
  }
}

void pack_turned(const float* matrix, int64_t stride, int64_t rows, int64_t columns,
                 const float* scales, float* panel) {
  for (int half = 0; half < kPanel; half += kLanes, matrix += kLanes * stride) {
    const int64_t height = larger(0, smaller(kLanes, rows - half));
    for (int64_t j = 0; j < columns; j += kLanes) {
      const int64_t width = smaller(kLanes, columns - j);
      const float* from = matrix + j;
      float* to = panel + j * kPanel + half;
      Vec block[kLanes];
      if (height == kLanes && width == kLanes) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) block[i] = load(from + i * stride);
      } else {
        for (int i = 0; i < kLanes; ++i) {
          block[i] = Vec{};
          if (i < height) __builtin_memcpy(&block[i], from + i * stride, width * sizeof(float));
        }
      }
      if (scales != nullptr) {
        for (int i = 0; i < height; ++i) block[i] *= scales[half + i];
      }
      transpose(block);
      if (width == kLanes) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) store(to + i * kPanel, block[i]);
      } else {
        for (int i = 0; i < width; ++i) store(to + i * kPanel, block[i]);
      }
    }
  }
}

}  // namespace lk::LK_ISA
