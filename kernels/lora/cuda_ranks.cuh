// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What the tensor cores' kernels of the fused LoRA layer do with tensors of few ranks: A [ranks, k],
// B [b rows, rank], h and dh [m, ranks], f32 in memory with any stride, rounded to the activations'
// type T where they are multiplied. Ranks are padded with zeros in registers and shared memory
// alone: to 8 in rank_product, to 16 elsewhere.
#pragma once

#include "lora/cuda.cuh"

namespace lk::cuda {

template <class T>
using Chunk = ChunkOf<T>;

// A chunk of a row of T at column c, the dropped elements zero.
template <class T>
LK_DEVICE Chunk<T> load_masked(const Rows<const T>& rows, const Mask& mask, int64_t i, int64_t c) {
  Chunk<T> chunk = load(rows.at(i, c).template as<const Chunk<T>>());
  if (mask.threshold == 0) return chunk;
  uint32_t keep = mask.four(i, c);
  if constexpr (kChunkElements<T> == 8) keep |= mask.four(i, c + 4) << 4;
#pragma unroll
  for (int e = 0; e < kChunkElements<T>; ++e) {
    if ((keep >> e & 1) == 0) chunk.v[e] = T{};
  }
  return chunk;
}

// ---- Operands that pass through registers (gemm_mma.cuh says what chunk() is)

// mask ∘ rows, for sums over rows: neighbours j of row l.
template <class T>
struct MaskedChunks {
  static constexpr bool kAlongL = false;
  Rows<const T> rows;
  Mask mask;
  LK_DEVICE Chunk<T> chunk(int64_t j, int64_t l, int64_t count, int64_t l_end) const {
    return j < count && l < l_end ? load_masked(rows, mask, l, j) : Chunk<T>{};
  }
};

// Ranks of rows, for sums over rows: neighbours i of row l, scaled.
template <class T>
struct RankChunks {
  static constexpr bool kAlongL = false;
  Rows<const float> rows;
  RowScale scale;
  LK_DEVICE Chunk<T> chunk(int64_t i, int64_t l, int64_t count, int64_t l_end) const {
    Chunk<T> chunk = {};
    if (i >= count || l >= l_end) return chunk;
    const float factor = scale.at(l);
#pragma unroll
    for (int e = 0; e < kChunkElements<T>; ++e) {
      if (i + e < count) chunk.v[e] = from_float<T>(load(rows.at(l, i + e)) * factor);
    }
    return chunk;
  }
};

// Ranks of rows, for sums over ranks: neighbours l of row i.
template <class T>
struct RankRows {
  static constexpr bool kAlongL = true;
  Rows<const float> rows;
  LK_DEVICE Chunk<T> chunk(int64_t i, int64_t l, int64_t count, int64_t l_end) const {
    Chunk<T> chunk = {};
    if (i >= count) return chunk;
#pragma unroll
    for (int e = 0; e < kChunkElements<T>; ++e) {
      if (l + e < l_end) chunk.v[e] = from_float<T>(load(rows.at(i, l + e)));
    }
    return chunk;
  }
};

// A group's rows of B, by output column j; zeros for columns of others.
template <class T>
struct GroupRows {
  static constexpr bool kAlongL = true;
  RankRows<T> b;
  int64_t first, last, b_row;
  LK_DEVICE Chunk<T> chunk(int64_t j, int64_t l, int64_t, int64_t l_end) const {
    return j < first ? Chunk<T>{} : b.chunk(b_row + j - first, l, b_row + last - first, l_end);
  }
};

// A, for sums over ranks: neighbours j of rank l.
template <class T>
struct RankColumns {
  static constexpr bool kAlongL = false;
  Rows<const float> a;
  LK_DEVICE Chunk<T> chunk(int64_t j, int64_t l, int64_t count, int64_t l_end) const {
    Chunk<T> chunk = {};
    if (j >= count || l >= l_end) return chunk;
    const auto floats = load_floats<kChunkElements<T>>(a.at(l, j));
#pragma unroll
    for (int e = 0; e < kChunkElements<T>; ++e) chunk.v[e] = from_float<T>(floats.v[e]);
    return chunk;
  }
};

// ---- What joins a product's accumulators

// Adds the product of two operands of few ranks through one slice of each in shared memory. The
// first barrier of a step says that its slices are stored, the second that they have been read.
template <class T, class Shape, class A, class B>
LK_DEVICE void add_ranks(Accumulators<Shape>& sum, Shared<T> left, Shared<T> right, int64_t ranks,
                         const A& a, int64_t i_first, int64_t m, const B& b, int64_t j_first,
                         int64_t n) {
  constexpr int kThreads = Shape::kThreads;
  for (int64_t l = 0; l < ranks; l += kDepthOf<T>) {
    Chunk<T> a_chunks[Slice<Shape::kM, A::kAlongL, T>::kChunks / kThreads];
    Chunk<T> b_chunks[Slice<Shape::kN, B::kAlongL, T>::kChunks / kThreads];
    fetch_chunks<T, Shape::kM, kThreads>(a_chunks, a, i_first, m, l, ranks);
    fetch_chunks<T, Shape::kN, kThreads>(b_chunks, b, j_first, n, l, ranks);
    store_chunks<Shape::kM, kThreads, A::kAlongL>(left, a_chunks);
    store_chunks<Shape::kN, kThreads, B::kAlongL>(right, b_chunks);
    barrier();
    const int64_t rest = ranks - l;
    sum.template add<T, A::kAlongL, B::kAlongL>(left, right, rest > kMmaDepthOf<T> ? 2 : 1);
    barrier();
  }
}

// Bit e says that element e of an accumulator block is kept, (i, c) being the block's first row of
// this lane and first column: lanes of even t draw for row i, those of odd t for row i + 8, each
// the four columns that the pair of lanes shares.
LK_DEVICE uint32_t mask_of_block(const Mask& mask, int64_t i, int64_t c) {
  if (mask.threshold == 0) return 0xF;
  const int t = lane_of_warp() % 4, odd = t & 1;
  const uint32_t own = mask.four(i + 8 * odd, c + t / 2 * 4);
  const uint32_t other = shuffle(own, lane_of_warp() ^ 1);
  const uint32_t upper = odd ? other : own, lower = odd ? own : other;
  return (upper >> 2 * odd & 3) | (lower >> 2 * odd & 3) << 2;
}

// h B, group by group, before x W.
struct LowRankOutput {
  Rows<const float> h, b;
  Groups groups;
  int64_t m, n;

  template <class T, class Shape>
  LK_DEVICE void add(Accumulators<Shape>& sum, Shared<T> left, Shared<T> right, int64_t i_first,
                     int64_t j_first) const {
    for (int g = 0; g < groups.count; ++g) {
      if (groups.last[g] <= j_first || groups.first[g] >= j_first + Shape::kN) continue;
      const RankRows<T> h_g = {{h.data + g * groups.rank, h.stride}};
      const GroupRows<T> b_g = {{b}, groups.first[g], groups.last[g], groups.b_row[g]};
      add_ranks(sum, left, right, groups.rank, h_g, i_first, m, b_g, j_first, n);
    }
  }
};

// mask ∘ (dh A), over all ranks, before dy W.
struct LowRankInput {
  Rows<const float> dh, a;
  int64_t ranks;
  Mask mask;
  int64_t m, n;

  template <class T, class Shape>
  LK_DEVICE void add(Accumulators<Shape>& sum, Shared<T> left, Shared<T> right, int64_t i_first,
                     int64_t j_first) const {
    add_ranks(sum, left, right, ranks, RankRows<T>{dh}, i_first, m, RankColumns<T>{a}, j_first, n);
    const int64_t i = i_first + sum.first_row() + lane_of_warp() / 4, c = j_first + sum.first_column();
#pragma unroll
    for (int block_m = 0; block_m < sum.kBlocksM; ++block_m) {
#pragma unroll
      for (int block_n = 0; block_n < sum.kBlocksN; ++block_n) {
        const uint32_t keep = mask_of_block(mask, i + 16 * block_m, c + 8 * block_n);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          if ((keep >> e & 1) == 0) sum.d[block_m][block_n][e] = 0;
        }
      }
    }
  }
};

// ---- Rows of activations by few ranks

// out(i, j) = factor * sum over l of (mask ∘ rows)(i, l) ranks(j, l): h from x and A, dh from dy and
// B where no other kernel makes it.
//
//   block     16 rows by up to 32 ranks, 4 warps; blockIdx.y counts further ranks
//   warps     each sums every fourth slice of l, straight from memory: lane (g, t) holds chunk t
//             of rows g and g + 8 and of rank g. The order of l within a slice is the lanes' own, the
//             same for both operands, so that chunks are fragments
//   shared    the warps' sums [4][16][32], rows of 40 so that lanes meet different banks: 10,240 bytes
//   barrier   one, before the warps' sums are added in their order
template <class T>
struct RankProduct {
  static constexpr int kChunk = kChunkElements<T>;
  static constexpr int kRows = 16, kRanks = 32, kWarps = 4, kThreads = kWarps * kWarp, kPitch = 40;
  static constexpr int kSharedBytes = kWarps * kRows * kPitch * 4;

  Rows<const T> rows;  // [m, k] in chunks
  Mask mask;
  Rows<const float> ranks;
  bool along_l;        // a rank is a row, in chunks; else a column
  Rows<float> out;     // [m, count]
  float factor;
  int64_t m, k, count;

  LK_DEVICE Chunk<T> left(int64_t i, int64_t l) const {
    return i < m && l < k ? load_masked(rows, mask, i, l) : Chunk<T>{};
  }
  LK_DEVICE Floats<kChunk> right(int64_t j, int64_t l) const {
    Floats<kChunk> floats = {};
    if (j >= count || l >= k) return floats;
    if (along_l) return load_floats<kChunk>(ranks.at(j, l));
#pragma unroll
    for (int e = 0; e < kChunk; ++e) floats.v[e] = load(ranks.at(l + e, j));
    return floats;
  }
};

// Register r of a chunk, as matrix instructions take it: of elements of T, or of such in f32.
template <class T>
LK_DEVICE uint32_t register_of(const Chunk<T>& chunk, int r) {
  if constexpr (std::is_same_v<T, float>) {
    return to_tf32(chunk.v[r]);
  } else {
    return chunk.v[2 * r].bits | static_cast<uint32_t>(chunk.v[2 * r + 1].bits) << 16;
  }
}
template <class T>
LK_DEVICE uint32_t register_of(const Floats<kChunkElements<T>>& floats, int r) {
  if constexpr (std::is_same_v<T, float>) {
    return to_tf32(floats.v[r]);
  } else {
    return pack_pair<T>(floats.v[2 * r], floats.v[2 * r + 1]);
  }
}

template <class T>
__global__ __launch_bounds__(RankProduct<T>::kThreads) void rank_product(RankProduct<T> p) {
  using P = RankProduct<T>;
  using Product = std::conditional_t<std::is_same_v<T, float>, Tf32, T>;
  constexpr int kDepth = kDepthOf<T>, kChunk = P::kChunk;
  constexpr int kBlocks = P::kRanks / 8;
  const int g = lane_of_warp() / 4, t = lane_of_warp() % 4, warp = warp_of_block();
  const int64_t i_first = static_cast<int64_t>(blockIdx.x) * P::kRows;
  const int64_t j_first = static_cast<int64_t>(blockIdx.y) * P::kRanks;
  const int64_t rest = p.count - j_first;
  float sum[kBlocks][4] = {};
  for (int64_t slice = warp * kDepth; slice < p.k; slice += P::kWarps * kDepth) {
    const int64_t l = slice + t * kChunk;
    const Chunk<T> upper = p.left(i_first + g, l), lower = p.left(i_first + g + 8, l);
#pragma unroll
    for (int n = 0; n < kBlocks; ++n) {
      if (8 * n >= rest) break;
      const Floats<kChunk> right = p.right(j_first + 8 * n + g, l);
#pragma unroll
      for (int step = 0; step < 2; ++step) {
        const int r = 2 * step;
        const uint32_t a[4] = {register_of<T>(upper, r), register_of<T>(lower, r),
                               register_of<T>(upper, r + 1), register_of<T>(lower, r + 1)};
        const uint32_t b[2] = {register_of<T>(right, r), register_of<T>(right, r + 1)};
        mma<Product>(sum[n], a, b);
      }
    }
  }
  const Shared<float> sums = shared_memory().as<float>();
#pragma unroll
  for (int n = 0; n < kBlocks; ++n) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int place = (warp * P::kRows + g + 8 * half) * P::kPitch + 8 * n + 2 * t;
      store((sums + place).as<Pack<float, 2>>(), {{sum[n][2 * half], sum[n][2 * half + 1]}});
    }
  }
  barrier();
  for (int index = static_cast<int>(threadIdx.x); index < P::kRows * P::kRanks; index += P::kThreads) {
    const int i = index / P::kRanks, j = index % P::kRanks;
    if (i_first + i >= p.m || j >= rest) continue;
    float total = 0;
#pragma unroll
    for (int w = 0; w < P::kWarps; ++w) total += load(sums + ((w * P::kRows + i) * P::kPitch + j));
    store(p.out.at(i_first + i, j_first + j), p.factor * total);
  }
}

template <class T>
lk_status multiply_ranks(const char* name, const Context& context, const RankProduct<T>& product) {
  LaunchShape shape = {ceil_divide(product.m, RankProduct<T>::kRows), RankProduct<T>::kThreads,
                       RankProduct<T>::kSharedBytes};
  shape.blocks_y = ceil_divide(product.count, RankProduct<T>::kRanks);
  return launch(name, rank_product<T>, context, shape, product);
}

}  // namespace lk::cuda
