// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The backward pass of the fused LoRA layer over dy, which is read once. With dh_g = c dy_g B_g:
//
//   d_x [m, k] = row_scale ∘ (dy W + mask ∘ (dh A)), and the epilogue
//   dh [m, groups * rank] f32, without the row scale
//   d_b's parts [row blocks][b rows][rank]: of a block of 128 rows, dy_gᵀ (row_scale ∘ h_g)
//
//   tile      128 x 128 of d_x, 32 columns of dy (a round) at a time; 8 warps of 64 x 32
//   warps     dh: the warps of a tile's row of warps share its four blocks of 16 rows, each in side
//             accumulators of kR ranks that every round adds to; blocks of rows are computed alike by
//             all tiles beside each other, the first writes them. d_b: tile t of the tiles beside each
//             other makes those of rounds t, t + tiles, ..: a warp 16 columns by 8 ranks
//   low rank  after the last round, block by block: 16 x 8 of dh A, masked, joins the accumulators
//   shared    3 slices of dy and of W as product_async has them (48 KB); then, rows of kR ranks each
//             whose chunks trade places as in Slice<kR, false>: B of two rounds [2][32], and of every
//             group h [128] and dh [128]. A [groups * kR][128] takes the place of the slices of dy
//   barriers  a round's says that its slices and B have arrived, and that those of the round before
//             are read; one before A is stored, one after
//   sums      f32, in the order of rounds; no atomics
//
// For 16-bit types, groups that begin and end at whole rounds (or at dy's end), ranks up to 32,
// kMaxRanks in all, padded. A block uses up to 84 KB, so that 100 KB parts run it; its registers (222 on sm_80) allow one
// block a multiprocessor. Checked against reference.cpp.
#pragma once

#include "lora/cuda_ranks.cuh"

namespace lk::cuda {

template <class T>
struct Gradient {
  int64_t m, n, k;
  ChunkRows<T, true> dy;
  ChunkRows<T, false> w;
  Groups groups;
  Rows<const float> a, b, h;
  RowScale row_scale;
  float factor;
  Mask mask;
  Rows<float> dh;
  Global<float> d_b;
  int64_t b_rows;
  InputGradientEpilogue<T> epilogue;
};

template <int kR_>
struct GradientShape {
  using Tile = LargeTile;
  static constexpr int kR = kR_, kStages = 3, kMaxRanks = 64;
  static constexpr int kLeft = Tile::kM * kDepth, kRight = Tile::kN * kDepth;  // elements
  static constexpr int kB = kDepth * kR, kRows = Tile::kM * kR;
  static constexpr int kTilesAcross = Tile::kN / Tile::kWarpN;  // of warps
  static constexpr int kBPairs = kB / 2 / Tile::kThreads;       // that a thread brings each round
  static_assert(kR == 16 || kR == 32, "a round's B is shared by all threads");
  static_assert(Tile::kWarpM / 16 == kTilesAcross, "a warp has one block of rows of dh");
  static_assert(kMaxRanks * Tile::kN <= kStages * kLeft, "A takes the place of dy");

  static constexpr int shared_bytes(int groups) {
    return 2 * (kStages * (kLeft + kRight) + 2 * kB + 2 * groups * kRows);
  }
};
static_assert(GradientShape<16>::shared_bytes(GradientShape<16>::kMaxRanks / 16) <= 99 * 1024 &&
                  GradientShape<32>::shared_bytes(GradientShape<32>::kMaxRanks / 32) <= 99 * 1024,
              "100 KB parts run it");

// A block's work, in the order of the kernel below.
template <class T, class Shape>
struct GradientBlock {
  using Tile = typename Shape::Tile;
  using Ranks = Slice<Shape::kR, false, T>;  // rows of kR ranks, as many as there are
  static constexpr int kR = Shape::kR, kThreads = Tile::kThreads;

  const Gradient<T>& p;
  int tiles_n, tile_n;
  int64_t i_first, j_first;
  Shared<T> left, right, b, h, dh;

  LK_DEVICE explicit GradientBlock(const Gradient<T>& gradient)
      : p(gradient),
        tiles_n(static_cast<int>((p.k + Tile::kN - 1) / Tile::kN)),
        tile_n(static_cast<int>(blockIdx.x) % tiles_n),
        i_first(static_cast<int64_t>(blockIdx.x) / tiles_n * Tile::kM),
        j_first(static_cast<int64_t>(tile_n) * Tile::kN),
        left(shared_memory().as<T>()),
        right(left + Shape::kStages * Shape::kLeft),
        b(right + Shape::kStages * Shape::kRight),
        h(b + 2 * Shape::kB),
        dh(h + p.groups.count * Shape::kRows) {}

  // Ranks (r, r + 1) of a row, for r even.
  LK_DEVICE void store_ranks(Shared<T> tile, int row, int r, float low, float high) const {
    const Shared<T> to = tile + (Ranks::place(row, r / kChunk) + r % kChunk);
    store(to.template as<uint32_t>(), pack_pair<T>(low, high));
  }

  // row_scale ∘ h of the block's rows.
  LK_DEVICE void load_h() const {
    for (int g = 0; g < p.groups.count; ++g) {
      for (int pair = static_cast<int>(threadIdx.x); pair < Shape::kRows / 2; pair += kThreads) {
        const int row = pair / (kR / 2), r = pair % (kR / 2) * 2;
        const int64_t i = i_first + row;
        float two[2] = {};
        if (i < p.m) {
          const Global<const float> from = p.h.at(i, g * p.groups.rank + r);
          const float scale = p.row_scale.at(i);
          if (r < p.groups.rank) two[0] = load(from) * scale;
          if (r + 1 < p.groups.rank) two[1] = load(from + 1) * scale;
        }
        store_ranks(h + g * Shape::kRows, row, r, two[0], two[1]);
      }
    }
  }

  // B of the group's columns from l on, into registers; then from there to shared memory.
  LK_DEVICE void fetch_b(float (&next)[Shape::kBPairs][2], int64_t l) const {
    const int g = p.groups.of_column(l);
    if (g < 0) return;
#pragma unroll
    for (int e = 0; e < Shape::kBPairs; ++e) {
      const int pair = static_cast<int>(threadIdx.x) + e * kThreads;
      const int r = pair % (kR / 2) * 2;
      const int64_t column = l + pair / (kR / 2);
      const bool inside = column < p.groups.last[g];
      const Global<const float> from = p.b.at(p.groups.b_row[g] + column - p.groups.first[g], r);
      next[e][0] = inside && r < p.groups.rank ? load(from) : 0.0f;
      next[e][1] = inside && r + 1 < p.groups.rank ? load(from + 1) : 0.0f;
    }
  }
  LK_DEVICE void store_b(const float (&next)[Shape::kBPairs][2], Shared<T> to) const {
#pragma unroll
    for (int e = 0; e < Shape::kBPairs; ++e) {
      const int pair = static_cast<int>(threadIdx.x) + e * kThreads;
      store_ranks(to, pair / (kR / 2), pair % (kR / 2) * 2, next[e][0], next[e][1]);
    }
  }

  // The warp's block of rows of dh, in the tile.
  LK_DEVICE static int dh_row() {
    return Accumulators<Tile>::first_row() + warp_of_block() % Shape::kTilesAcross * 16;
  }

  // dh += dy B, of one round.
  LK_DEVICE void add_dh(float (&side)[kR / 8][4], Shared<T> dy, Shared<T> b_round) const {
#pragma unroll
    for (int step = 0; step < kDepth / kMmaDepth; ++step) {
      uint32_t rows[4];
      Slice<Tile::kM, true, T>::left(rows, dy, dh_row(), step * kMmaDepth);
#pragma unroll
      for (int r = 0; r < kR / 16; ++r) {
        uint32_t ranks[4];
        Ranks::right(ranks, b_round, 16 * r, step * kMmaDepth);
        mma<T>(side[2 * r], rows, {ranks[0], ranks[1]});
        mma<T>(side[2 * r + 1], rows, {ranks[2], ranks[3]});
      }
    }
  }

  // d_b of the round's 32 columns: dy lies as rows of 32 columns, which is across for this product.
  LK_DEVICE void add_d_b(Shared<T> dy, int g, int64_t l) const {
    const int column = warp_of_block() % 2 * 16, r = warp_of_block() / 2 * 8;
    if (r >= kR || r >= p.groups.rank) return;
    const int lane = lane_of_warp();
    float sum[4] = {};
#pragma unroll
    for (int row = 0; row < Tile::kM; row += 2 * kMmaDepth) {
      uint32_t ranks[4], columns[4];
      load_matrices_transposed(ranks, h + (g * Shape::kRows + Ranks::place(row + lane, r / kChunk)));
      Slice<kDepth, false, T>::left(columns, dy, column, row);
      mma<T>(sum, columns, {ranks[0], ranks[1]});
      Slice<kDepth, false, T>::left(columns, dy, column, row + kMmaDepth);
      mma<T>(sum, columns, {ranks[2], ranks[3]});
    }
    const int64_t block = static_cast<int64_t>(blockIdx.x) / tiles_n;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int64_t at = l + column + lane / 4 + e / 2 * 8 - p.groups.first[g];
      const int rank = r + lane % 4 * 2 + e % 2;
      if (at >= p.groups.last[g] - p.groups.first[g] || rank >= p.groups.rank) continue;
      const int64_t row = block * p.b_rows + p.groups.b_row[g] + at;
      store(p.d_b + (row * p.groups.rank + rank), sum[e]);
    }
  }

  // A group's dh is whole: to shared memory, and by the first tile of the row to memory.
  LK_DEVICE void finish_dh(float (&side)[kR / 8][4], int g) const {
    const int t = lane_of_warp() % 4;
#pragma unroll
    for (int r = 0; r < kR / 8; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = dh_row() + lane_of_warp() / 4 + 8 * half, rank = 8 * r + 2 * t;
        float* two = &side[r][2 * half];
        two[0] *= p.factor;
        two[1] *= p.factor;
        store_ranks(dh + g * Shape::kRows, row, rank, two[0], two[1]);
        if (tile_n == 0 && i_first + row < p.m) {
          const Global<float> to = p.dh.at(i_first + row, g * p.groups.rank + rank);
          if (rank < p.groups.rank) store(to, two[0]);
          if (rank + 1 < p.groups.rank) store(to + 1, two[1]);
        }
        two[0] = two[1] = 0;
      }
    }
  }

  // A's columns of the tile in place of dy's slices.
  LK_DEVICE void load_a() const {
    using Columns = Slice<Tile::kN, false, T>;
    const int chunks = p.groups.count * kR * Columns::kRowChunks;
    for (int c = static_cast<int>(threadIdx.x); c < chunks; c += kThreads) {
      const int row = c / Columns::kRowChunks, chunk = c % Columns::kRowChunks;
      const int64_t rank = row / kR * p.groups.rank + row % kR;
      const bool inside = row % kR < p.groups.rank;
      const RankColumns<T> a = {p.a};
      store((left + Columns::place(row, chunk)).template as<Chunk<T>>(),
            a.chunk(j_first + chunk * kChunk, rank, p.k, inside ? rank + 1 : rank));
    }
  }

  // 4 bits a block of accumulators: their mask.
  LK_DEVICE uint64_t masks() const {
    using Sums = Accumulators<Tile>;
    static_assert(Sums::kBlocksM * Sums::kBlocksN <= 16, "");
    const int64_t i = i_first + Sums::first_row() + lane_of_warp() / 4;
    const int64_t c = j_first + Sums::first_column();
    uint64_t bits = 0;
#pragma unroll 1
    for (int block = 0; block < Sums::kBlocksM * Sums::kBlocksN; ++block) {
      const uint32_t keep = mask_of_block(p.mask, i + block / Sums::kBlocksN * 16,
                                          c + block % Sums::kBlocksN * 8);
      bits |= static_cast<uint64_t>(keep) << 4 * block;
    }
    return bits;
  }

  // sum += mask ∘ (dh A).
  LK_DEVICE void add_low_rank(Accumulators<Tile>& sum) const {
    using Sums = Accumulators<Tile>;
    const uint64_t keep = masks();
    const int steps = p.groups.count * (kR / kMmaDepth);
#pragma unroll
    for (int m = 0; m < Sums::kBlocksM; ++m) {
#pragma unroll
      for (int n = 0; n < Sums::kBlocksN; n += 2) {
        float low[2][4] = {};
#pragma unroll 1
        for (int step = 0; step < steps; ++step) {
          const int g = step / (kR / kMmaDepth), r = step % (kR / kMmaDepth) * kMmaDepth;
          uint32_t rows[4], columns[4];
          const int lane = lane_of_warp();
          load_matrices(rows, dh + (g * Shape::kRows +
                                    Ranks::place(sum.first_row() + 16 * m + lane % 16,
                                                 (r + lane / 16 * 8) / kChunk)));
          Slice<Tile::kN, false, T>::right(columns, left, sum.first_column() + 8 * n, step * kMmaDepth);
          mma<T>(low[0], rows, {columns[0], columns[1]});
          mma<T>(low[1], rows, {columns[2], columns[3]});
        }
#pragma unroll
        for (int e = 0; e < 8; ++e) {
          const int bit = 4 * (m * Sums::kBlocksN + n) + e;
          if (keep >> bit & 1) sum.d[m][n + e / 4][e % 4] += low[e / 4][e % 4];
        }
      }
    }
  }
};

template <class T, class Shape>
__global__ __launch_bounds__(Shape::Tile::kThreads) void lora_gradient(Gradient<T> p) {
  using Tile = typename Shape::Tile;
  constexpr int kStages = Shape::kStages, kThreads = Tile::kThreads;
  const GradientBlock<T, Shape> block(p);
  const int rounds = static_cast<int>((p.n + kDepth - 1) / kDepth);
  Accumulators<Tile> sum;
  float side[Shape::kR / 8][4] = {};
  float b_next[Shape::kBPairs][2] = {};

  const auto copy = [&](int round) {
    if (round < rounds) {
      const int stage = round % kStages;
      const int64_t l = static_cast<int64_t>(round) * kDepth;
      p.dy.template copy<Tile::kM, kThreads>(block.left + stage * Shape::kLeft, block.i_first, p.m, l, p.n);
      p.w.template copy<Tile::kN, kThreads>(block.right + stage * Shape::kRight, block.j_first, p.k, l, p.n);
    }
    copy_async_commit();
  };
  for (int round = 0; round < kStages - 1; ++round) copy(round);
  block.load_h();
  block.fetch_b(b_next, 0);
  for (int round = 0; round < rounds; ++round) {
    const int64_t l = static_cast<int64_t>(round) * kDepth;
    const int stage = round % kStages;
    const Shared<T> dy = block.left + stage * Shape::kLeft, b = block.b + round % 2 * Shape::kB;
    block.store_b(b_next, b);
    copy_async_wait<kStages - 2>();
    barrier();
    copy(round + kStages - 1);
    block.fetch_b(b_next, l + kDepth);
    sum.template add<T, true, false>(dy, block.right + stage * Shape::kRight);
    const int g = p.groups.of_column(l);
    if (g < 0) continue;
    block.add_dh(side, dy, b);
    if (round % block.tiles_n == block.tile_n) block.add_d_b(dy, g, l);
    if (l + kDepth >= p.groups.last[g]) block.finish_dh(side, g);
  }
  barrier();
  block.load_a();
  barrier();
  block.add_low_rank(sum);
  sum.each_pair([&](int i, int j, float* two) {
    if (block.i_first + i < p.m && block.j_first + j < p.k) {
      p.epilogue.pair(0, block.i_first + i, block.j_first + j, two[0], two[1]);
    }
  });
}

// Does the kernel take these groups?
inline bool takes_gradient(const lora::Adapter& adapter, int64_t n) {
  const int padded = adapter.rank <= 16 ? 16 : 32;
  if (adapter.rank > 32 || adapter.groups * padded > GradientShape<16>::kMaxRanks) return false;
  for (int64_t g = 0; g < adapter.groups; ++g) {
    const lora::Group& group = adapter.group[g];
    if (group.first % kDepth != 0 || (group.last() % kDepth != 0 && group.last() != n)) return false;
  }
  return true;
}

template <class T, int kR>
lk_status launch_gradient(const Context& context, const Gradient<T>& gradient) {
  using Shape = GradientShape<kR>;
  const LaunchShape shape = {
      ceil_divide(gradient.m, Shape::Tile::kM) * ceil_divide(gradient.k, Shape::Tile::kN),
      Shape::Tile::kThreads, Shape::shared_bytes(gradient.groups.count)};
  return launch("lora_gradient", lora_gradient<T, Shape>, context, shape, gradient);
}

}  // namespace lk::cuda
