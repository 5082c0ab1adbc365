// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Matrix products on tensor cores, operands of 16 bits or f32 in tf32, f32 sums: c(i, j) = sum of
// a(i, l) b(j, l). Operands come in aligned chunks of 16 bytes; every row of one is a whole number of
// chunks.
//
//   product_async    both operands go to shared memory by asynchronous copies, kStages slices in
//                    flight; for large tiles that keep the tensor cores busy
//   product_chunks   operands pass through registers, where they are masked, scaled or converted;
//                    for products with one short side, which memory bounds
//
// Both cut l into parts for blockIdx.y as product_plain does, and their epilogues get neighbours
// (i, j), (i, j + 1) with j even.
#pragma once

#include "common/cuda/gemm_plain.cuh"
#include "common/cuda/tile.cuh"

namespace lk::cuda {

// ---- Operands of product_async: activations and weights as they lie in memory

template <class T, bool kAlongL_>
struct ChunkRows {
  using Type = T;
  static constexpr bool kAlongL = kAlongL_;  // else element (i, l) is in row l
  Rows<const T> rows;

  // Starts the copies of the slice at (first, l); zeros beyond `count` and `l_end`.
  template <int kSide, int kThreads>
  LK_DEVICE void copy(Shared<T> slice, int64_t first, int64_t count, int64_t l, int64_t l_end) const {
    using Layout = Slice<kSide, kAlongL, T>;
    constexpr int kChunk = Layout::kChunk;
    for (int c = static_cast<int>(threadIdx.x); c < Layout::kChunks; c += kThreads) {
      const int row = c / Layout::kRowChunks, chunk = c % Layout::kRowChunks;
      const int64_t i = first + (kAlongL ? row : chunk * kChunk);
      const int64_t at = l + (kAlongL ? chunk * kChunk : row);
      const bool inside = i < count && at < l_end;
      const int64_t place = inside ? (kAlongL ? i * rows.stride + at : at * rows.stride + i) : 0;
      copy_async16(slice + Layout::place(row, chunk), rows.data + place, inside);
    }
  }
};

// What a product adds to its sums before all else; see lora for one that does.
struct NoLowRank {
  template <class T, class Shape>
  LK_DEVICE void add(Accumulators<Shape>&, Shared<T>, Shared<T>, int64_t, int64_t) const {}
};

template <class Shape_, int kStages_>
struct AsyncShape {
  using Shape = Shape_;
  static constexpr int kStages = kStages_;
  static constexpr int kSharedBytes = kStages * (Shape::kM + Shape::kN) * kSliceBytes;
};

// Tile and pipeline: Async. Who owns what: warps tile the block's c; threads share all copies.
// Shared: kStages slices of a, then of b (tile.cuh has their layout). The barrier of a round says
// that the round's slices have arrived for all, and that all have read those of the round before,
// which the next copies overwrite.
template <class Async, class A, class B, class LowRank, class Epilogue>
__global__ __launch_bounds__(Async::Shape::kThreads) void product_async(ProductSize size, A a, B b,
                                                                        LowRank low_rank,
                                                                        Epilogue epilogue) {
  using Shape = typename Async::Shape;
  using T = typename A::Type;
  constexpr int kStages = Async::kStages, kThreads = Shape::kThreads, kDepth = kDepthOf<T>;
  constexpr int kLeft = Shape::kM * kDepth, kRight = Shape::kN * kDepth;
  const Shared<T> left = shared_memory().as<T>(), right = left + kStages * kLeft;
  const int64_t tiles_n = (size.n + Shape::kN - 1) / Shape::kN;
  const int64_t i_first = blockIdx.x / tiles_n * Shape::kM, j_first = blockIdx.x % tiles_n * Shape::kN;
  const int64_t part = blockIdx.y, l_begin = part * size.k_part;
  const int64_t l_end = l_begin + size.k_part < size.k ? l_begin + size.k_part : size.k;
  const int rounds = static_cast<int>((l_end - l_begin + kDepth - 1) / kDepth);

  Accumulators<Shape> sum;
  low_rank.add(sum, left, right, i_first, j_first);

  const auto copy = [&](int round) {
    if (round < rounds) {
      const int stage = round % kStages;
      const int64_t l = l_begin + static_cast<int64_t>(round) * kDepth;
      a.template copy<Shape::kM, kThreads>(left + stage * kLeft, i_first, size.m, l, l_end);
      b.template copy<Shape::kN, kThreads>(right + stage * kRight, j_first, size.n, l, l_end);
    }
    copy_async_commit();
  };
  for (int round = 0; round < kStages - 1; ++round) copy(round);
  for (int round = 0; round < rounds; ++round) {
    copy_async_wait<kStages - 2>();
    barrier();
    copy(round + kStages - 1);
    const int stage = round % kStages;
    sum.template add<T, A::kAlongL, B::kAlongL>(left + stage * kLeft, right + stage * kRight);
  }
  sum.each_pair([&](int i, int j, float* two) {
    if (i_first + i < size.m && j_first + j < size.n) {
      epilogue.pair(part, i_first + i, j_first + j, two[0], two[1]);
    }
  });
}

template <class Async, class A, class B, class LowRank, class Epilogue>
lk_status multiply_async(const char* name, const Context& context, int64_t m, int64_t n, int64_t k,
                         int64_t parts, const A& a, const B& b, const LowRank& low_rank,
                         const Epilogue& epilogue) {
  using Shape = typename Async::Shape;
  constexpr int kDepth = kDepthOf<typename A::Type>;
  const ProductSize size = {m, n, k, ceil_divide(ceil_divide(k, kDepth), parts) * kDepth};
  LaunchShape shape = {ceil_divide(m, Shape::kM) * ceil_divide(n, Shape::kN), Shape::kThreads,
                       Async::kSharedBytes};
  shape.blocks_y = parts;
  return launch(name, product_async<Async, A, B, LowRank, Epilogue>, context, shape, size, a, b,
                low_rank, epilogue);
}

// ---- product_chunks

template <class T>
using ChunkOf = Pack<T, kChunkElements<T>>;

template <class T, int kSide, int kThreads, int kCount, class Operand>
LK_DEVICE void fetch_chunks(ChunkOf<T> (&chunks)[kCount], const Operand& operand, int64_t first,
                            int64_t count, int64_t l, int64_t l_end) {
  using Layout = Slice<kSide, Operand::kAlongL, T>;
  constexpr int kChunk = Layout::kChunk;
  static_assert(kCount * kThreads == Layout::kChunks, "every thread takes as many chunks");
#pragma unroll
  for (int e = 0; e < kCount; ++e) {
    const int c = static_cast<int>(threadIdx.x) + e * kThreads;
    const int row = c / Layout::kRowChunks, chunk = c % Layout::kRowChunks;
    const int64_t i = first + (Operand::kAlongL ? row : chunk * kChunk);
    const int64_t at = l + (Operand::kAlongL ? chunk * kChunk : row);
    chunks[e] = operand.chunk(i, at, count, l_end);
  }
}

template <int kSide, int kThreads, bool kAlongL, class T, int kCount>
LK_DEVICE void store_chunks(Shared<T> slice, const ChunkOf<T> (&chunks)[kCount]) {
  using Layout = Slice<kSide, kAlongL, T>;
#pragma unroll
  for (int e = 0; e < kCount; ++e) {
    const int c = static_cast<int>(threadIdx.x) + e * kThreads;
    const int place = Layout::place(c / Layout::kRowChunks, c % Layout::kRowChunks);
    store((slice + place).template as<ChunkOf<T>>(), chunks[e]);
  }
}

// Slices of both operands, twice: while one pair is multiplied the other is filled. An operand's
// chunk(i, l, count, l_end) is a chunk along its own direction from (i, l) on, made of
// whatever it likes; zeros beyond count and l_end. The barrier of a round says that its slices are
// stored for all; that the slices two rounds ago have been read follows from the barrier between.
template <class T, class Shape, class A, class B, class Epilogue>
__global__ __launch_bounds__(Shape::kThreads) void product_chunks(ProductSize size, A a, B b,
                                                                  Epilogue epilogue) {
  constexpr int kDepth = kDepthOf<T>, kLeft = Shape::kM * kDepth, kRight = Shape::kN * kDepth;
  const Shared<T> left = shared_memory().as<T>(), right = left + 2 * kLeft;
  const int64_t tiles_n = (size.n + Shape::kN - 1) / Shape::kN;
  const int64_t i_first = blockIdx.x / tiles_n * Shape::kM, j_first = blockIdx.x % tiles_n * Shape::kN;
  const int64_t part = blockIdx.y, l_begin = part * size.k_part;
  const int64_t l_end = l_begin + size.k_part < size.k ? l_begin + size.k_part : size.k;
  const int rounds = static_cast<int>((l_end - l_begin + kDepth - 1) / kDepth);

  Accumulators<Shape> sum;
  ChunkOf<T> a_next[Slice<Shape::kM, A::kAlongL, T>::kChunks / Shape::kThreads];
  ChunkOf<T> b_next[Slice<Shape::kN, B::kAlongL, T>::kChunks / Shape::kThreads];
  const auto fetch = [&](int round) {
    const int64_t l = l_begin + static_cast<int64_t>(round) * kDepth;
    fetch_chunks<T, Shape::kM, Shape::kThreads>(a_next, a, i_first, size.m, l, l_end);
    fetch_chunks<T, Shape::kN, Shape::kThreads>(b_next, b, j_first, size.n, l, l_end);
  };
  fetch(0);
  for (int round = 0; round < rounds; ++round) {
    const int stage = round % 2;
    store_chunks<Shape::kM, Shape::kThreads, A::kAlongL>(left + stage * kLeft, a_next);
    store_chunks<Shape::kN, Shape::kThreads, B::kAlongL>(right + stage * kRight, b_next);
    if (round + 1 < rounds) fetch(round + 1);
    barrier();
    sum.template add<T, A::kAlongL, B::kAlongL>(left + stage * kLeft, right + stage * kRight);
  }
  sum.each_pair([&](int i, int j, float* two) {
    if (i_first + i < size.m && j_first + j < size.n) {
      epilogue.pair(part, i_first + i, j_first + j, two[0], two[1]);
    }
  });
}

template <class T, class Shape, class A, class B, class Epilogue>
lk_status multiply_chunks(const char* name, const Context& context, int64_t m, int64_t n, int64_t k,
                          int64_t parts, const A& a, const B& b, const Epilogue& epilogue) {
  constexpr int kDepth = kDepthOf<T>;
  const ProductSize size = {m, n, k, ceil_divide(ceil_divide(k, kDepth), parts) * kDepth};
  LaunchShape shape = {ceil_divide(m, Shape::kM) * ceil_divide(n, Shape::kN), Shape::kThreads,
                       2 * (Shape::kM + Shape::kN) * kSliceBytes};
  shape.blocks_y = parts;
  return launch(name, product_chunks<T, Shape, A, B, Epilogue>, context, shape, size, a, b, epilogue);
}

}  // namespace lk::cuda
