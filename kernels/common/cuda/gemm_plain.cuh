// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The matrix product that takes anything: c(i, j) = sum over l of a(i, l) b(j, l) for operands that
// are functions, summed with f32 multiply-adds in the order of l. It computes f32 exactly, and is
// what 16-bit calls fall back to whose shapes or alignment the tensor cores' kernels do not take.
//
//   tile      64 x 64 of c, 16 of l at a time; 256 threads, 4 x 4 elements each, 16 apart
//   shared    both operands' slices as f32, 8,448 bytes; rows of 66 so that a slice stored along
//             l meets two rows' banks at most
//   barriers  one after a slice is stored, one before the next overwrites it
//   split     blockIdx.y cuts l into equal parts of whole slices; the epilogue is told which part,
//             and sum_parts adds them in their order: no result depends on who comes first
#pragma once

#include "common/cuda/rows.cuh"
#include "common/cuda/number.cuh"
#include "common/cuda/warp.cuh"

namespace lk::cuda {

struct PlainTile {
  static constexpr int kSide = 64;
  static constexpr int kDepth = 16;
  static constexpr int kThreads = 256;
  static constexpr int kPitch = kSide + 2;
  static constexpr int kSharedBytes = 2 * kDepth * kPitch * 4;
};

struct ProductSize {
  int64_t m, n, k;
  int64_t k_part;  // of l that a part sums: whole slices
};

// How many parts l is cut into: by shape alone, so that small outputs with long sums fill a large
// device. Parts are of about 256 or more.
inline int64_t split_of(int64_t m, int64_t n, int64_t k) {
  constexpr int64_t kBlocks = 128, kLeast = 256;
  const int64_t tiles = ceil_divide(m, PlainTile::kSide) * ceil_divide(n, PlainTile::kSide);
  const int64_t wanted = ceil_divide(kBlocks, tiles);
  const int64_t most = ceil_divide(k, kLeast);
  return wanted < most ? wanted : most;
}

// One operand's slice [kDepth][kSide] from `operand`, zeros beyond its ends. Neighbouring threads
// read along l where the operand says it is stored so.
template <class Operand>
LK_DEVICE void store_slice(Shared<float> slice, const Operand& operand, int64_t first, int64_t count,
                           int64_t l_first, int64_t l_end) {
  constexpr int kElements = PlainTile::kSide * PlainTile::kDepth / PlainTile::kThreads;
#pragma unroll
  for (int e = 0; e < kElements; ++e) {
    const int index = static_cast<int>(threadIdx.x) + e * PlainTile::kThreads;
    const int i = Operand::kAlongL ? index / PlainTile::kDepth : index % PlainTile::kSide;
    const int l = Operand::kAlongL ? index % PlainTile::kDepth : index / PlainTile::kSide;
    const bool inside = first + i < count && l_first + l < l_end;
    store(slice + (l * PlainTile::kPitch + i), inside ? operand(first + i, l_first + l) : 0.0f);
  }
}

template <class A, class B, class Epilogue>
__global__ __launch_bounds__(PlainTile::kThreads) void product_plain(ProductSize size, A a, B b,
                                                                     Epilogue epilogue) {
  constexpr int kSide = PlainTile::kSide, kDepth = PlainTile::kDepth, kPitch = PlainTile::kPitch;
  constexpr int kEach = 4, kApart = kSide / kEach;
  const Shared<float> a_slice = shared_memory().as<float>();
  const Shared<float> b_slice = a_slice + kDepth * kPitch;
  const int64_t tiles_n = (size.n + kSide - 1) / kSide;
  const int64_t i_first = blockIdx.x / tiles_n * kSide, j_first = blockIdx.x % tiles_n * kSide;
  const int64_t part = blockIdx.y, l_begin = part * size.k_part;
  const int64_t l_end = l_begin + size.k_part < size.k ? l_begin + size.k_part : size.k;
  const int row = static_cast<int>(threadIdx.x) / kApart, column = static_cast<int>(threadIdx.x) % kApart;
  float sum[kEach][kEach] = {};
  for (int64_t l = l_begin; l < l_end; l += kDepth) {
    store_slice(a_slice, a, i_first, size.m, l, l_end);
    store_slice(b_slice, b, j_first, size.n, l, l_end);
    barrier();
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      float left[kEach], right[kEach];
#pragma unroll
      for (int e = 0; e < kEach; ++e) {
        left[e] = load(a_slice + (d * kPitch + row + e * kApart));
        right[e] = load(b_slice + (d * kPitch + column + e * kApart));
      }
#pragma unroll
      for (int p = 0; p < kEach; ++p) {
#pragma unroll
        for (int q = 0; q < kEach; ++q) sum[p][q] = fmaf(left[p], right[q], sum[p][q]);
      }
    }
    barrier();
  }
#pragma unroll
  for (int p = 0; p < kEach; ++p) {
#pragma unroll
    for (int q = 0; q < kEach; ++q) {
      const int64_t i = i_first + row + p * kApart, j = j_first + column + q * kApart;
      if (i < size.m && j < size.n) epilogue(part, i, j, sum[p][q]);
    }
  }
}

// parts: as split_of said, 1 for a product that is not cut.
template <class A, class B, class Epilogue>
lk_status multiply_plain(const char* name, const Context& context, int64_t m, int64_t n, int64_t k,
                         int64_t parts, const A& a, const B& b, const Epilogue& epilogue) {
  const int64_t slices = ceil_divide(ceil_divide(k, PlainTile::kDepth), parts);
  const ProductSize size = {m, n, k, slices * PlainTile::kDepth};
  LaunchShape shape = {ceil_divide(m, PlainTile::kSide) * ceil_divide(n, PlainTile::kSide),
                       PlainTile::kThreads, PlainTile::kSharedBytes};
  shape.blocks_y = parts;
  return launch(name, product_plain<A, B, Epilogue>, context, shape, size, a, b, epilogue);
}

// ---- Operands

// Element (i, l) is in row i: stored along l.
template <class T>
struct RowsOperand {
  static constexpr bool kAlongL = true;
  Rows<const T> rows;
  LK_DEVICE float operator()(int64_t i, int64_t l) const { return load_float(rows.at(i, l)); }
};
// Element (i, l) is in row l.
template <class T>
struct ColumnsOperand {
  static constexpr bool kAlongL = false;
  Rows<const T> rows;
  LK_DEVICE float operator()(int64_t i, int64_t l) const { return load_float(rows.at(l, i)); }
};

// ---- Parts of sums

// A part's element into [parts][m][n] of f32.
struct StorePart {
  Global<float> parts;
  int64_t m, n;
  LK_DEVICE void operator()(int64_t part, int64_t i, int64_t j, float sum) const {
    store(parts + ((part * m + i) * n + j), sum);
  }
  // For even n.
  LK_DEVICE void pair(int64_t part, int64_t i, int64_t j, float sum0, float sum1) const {
    store_pair(parts + ((part * m + i) * n + j), sum0, sum1);
  }
};

// out(i, j) = the parts' sum in their order, added to what is there if `add`.
struct SumParts {
  Global<const float> parts;
  int64_t count, m, n;
  Rows<float> out;
  bool add;

  // Element index = i * n + j.
  LK_DEVICE void sum(int64_t index) const {
    const Global<float> to = out.at(index / n, index % n);
    float total = 0;
    for (int64_t part = 0; part < count; ++part) total += load(parts + (part * m * n + index));
    store(to, add ? load(to) + total : total);
  }
};
static __global__ void sum_parts_kernel(SumParts sum) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index < sum.m * sum.n) sum.sum(index);
}
inline lk_status sum_parts(const char* name, const Context& context, const SumParts& sum) {
  constexpr int kThreads = 256;
  return launch(name, sum_parts_kernel, context,
                LaunchShape{ceil_divide(sum.m * sum.n, kThreads), kThreads}, sum);
}

}  // namespace lk::cuda
