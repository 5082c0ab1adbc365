// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Layer normalisation of rows [m, k] of f32, bf16 or f16, on all architectures; checked against
// reference.cpp. A team owns a row (common/cuda/team.cuh): a warp, with the row in registers, up to
// 1,024 elements, a block beyond. Chunks of 16 bytes where rows and gamma allow, single elements
// elsewhere. All arithmetic is f32; the variance is that of centred elements, as on the CPU.
#include "common/cuda/team.cuh"
#include "cuda_operations.h"

namespace lk::cuda {
namespace {

using layer_norm::Backward;
using layer_norm::Forward;

// ---- Launch table: blocks an SM that the registers are capped for. Rows kept in registers are 32
// numbers a lane, x and dy and two sums of them in a backward pass with parameters.

template <class Team>
constexpr int kForwardBlocks = Team::kKeeps ? 6 : 4;
template <class T, class Team, bool kParameters>
constexpr int kBackwardBlocks = Team::kKeeps && kParameters ? (sizeof(T) == 4 ? 2 : 3) : 4;

// ---- Forward: a team a row. Warps: 4 rows and 128 threads a block, no shared memory, no barrier.
// Blocks: 256 threads and 32 bytes, the barriers those of a sum over the block.

template <class T, class Team>
__global__ void __launch_bounds__(Team::kThreads, kForwardBlocks<Team>)
    layer_norm_forward_kernel(int64_t m, int64_t k, Rows<const T> x, Rows<T> y,
                              Global<const float> gamma, Global<const float> beta, float eps,
                              Rows<float> statistics) {
  constexpr int kElements = Team::kElements;
  using Piece = Floats<kElements>;
  const Team team;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * Team::kRows + team.row();
  if (i >= m) return;
  const float count = static_cast<float>(k);
  const TeamRow row(team, k, [&](int64_t j) { return load_floats<kElements>(x.at(i, j)); });
  const float mean =
      sum_over_row(team, k, [&](int step, int64_t j) { return row.piece(step, j); }) / count;
  const float squares = sum_over_row(team, k, [&](int step, int64_t j) {
    Piece piece = row.piece(step, j);
#pragma unroll
    for (float& v : piece.v) v = (v - mean) * (v - mean);
    return piece;
  });
  const float rstd = 1.0f / sqrtf(squares / count + eps);
  team.over(k, [&](int step, int64_t j) {
    Piece piece = row.piece(step, j);
    const Piece scale = load_floats<kElements>(gamma + j), shift = load_floats<kElements>(beta + j);
#pragma unroll
    for (int e = 0; e < kElements; ++e) {
      piece.v[e] = (piece.v[e] - mean) * rstd * scale.v[e] + shift.v[e];
    }
    store_floats(y.at(i, j), piece);
  });
  if (statistics.data && team.member() == 0) {
    store(statistics.at(i, 0), mean);
    store(statistics.at(i, 1), rstd);
  }
}

// ---- Backward

// How rows are cut for the sums of d_gamma and d_beta: a block of the launch adds up its rows' share
// in the workspace, and the shares are added in the order of the blocks. From m alone, so that the
// bits do not depend on the device.
struct Cut {
  int64_t rows, blocks;
  int64_t stride;  // of a share's two halves, elements

  explicit Cut(const Backward& call) {
    constexpr int64_t kMinRows = 16, kMaxBlocks = 400, kTogether = 4, kAligned = 16;
    const int64_t fewest = ceil_divide(call.dy.rows, kMaxBlocks);
    rows = fewest > kMinRows ? ceil_divide(fewest, kTogether) * kTogether : kMinRows;
    blocks = ceil_divide(call.dy.rows, rows);
    stride = ceil_divide(call.dy.columns, kAligned) * kAligned;
  }
  size_t bytes() const { return static_cast<size_t>(blocks * 2 * stride) * sizeof(float); }
};

// A block's share of d_gamma and d_beta, owned by column: a warp's lanes have their columns' sums
// in registers until the block adds up its warps' in shared memory.
template <class Team, bool kKeeps = Team::kKeeps>
class Shares {
 public:
  static constexpr int kElements = Team::kElements;
  using Piece = Floats<kElements>;

  static int shared_bytes(int64_t stride) {
    return Team::kWarps * 2 * static_cast<int>(stride * sizeof(float));
  }

  LK_DEVICE Shares(Global<float> share, int64_t stride) : share_(share), stride_(stride) {
#pragma unroll
    for (int step = 0; step < Team::kSteps; ++step) d_gamma_[step] = d_beta_[step] = Piece{};
  }
  LK_DEVICE void add(int step, int64_t, const Piece& d_gamma, const Piece& d_beta, bool) {
#pragma unroll
    for (int e = 0; e < kElements; ++e) {
      d_gamma_[step].v[e] += d_gamma.v[e];
      d_beta_[step].v[e] += d_beta.v[e];
    }
  }
  // Shared memory: a row of d_gamma and one of d_beta for each warp. The barrier lies between the
  // warps that write theirs and the threads that add them up in their order.
  LK_DEVICE void finish(const Team& team, int64_t k) const {
    const Shared<float> sums = shared_memory().as<float>();
    const int stride = static_cast<int>(stride_);
    team.over(k, [&](int step, int64_t j) {
      const Shared<float> own = sums + (2 * team.row() * stride + static_cast<int>(j));
#pragma unroll
      for (int e = 0; e < kElements; ++e) {
        store(own + e, d_gamma_[step].v[e]);
        store(own + (stride + e), d_beta_[step].v[e]);
      }
    });
    barrier();
    for (int half = 0; half < 2; ++half) {
      for (int j = static_cast<int>(threadIdx.x); j < k; j += Team::kThreads) {
        float sum = 0;
#pragma unroll
        for (int w = 0; w < Team::kWarps; ++w) sum += load(sums + ((2 * w + half) * stride + j));
        store(share_ + (half * stride + j), sum);
      }
    }
  }

 private:
  Global<float> share_;
  int64_t stride_;
  Piece d_gamma_[Team::kSteps], d_beta_[Team::kSteps];
};

// A block's threads add to their columns of the share itself, each always to the same ones.
template <class Team>
class Shares<Team, false> {
 public:
  static constexpr int kElements = Team::kElements;
  using Piece = Floats<kElements>;

  static int shared_bytes(int64_t) { return Team::kSharedBytes; }

  LK_DEVICE Shares(Global<float> share, int64_t stride) : share_(share), stride_(stride) {}
  LK_DEVICE void add(int, int64_t j, const Piece& d_gamma, const Piece& d_beta, bool first) {
    add_to(share_ + j, d_gamma, first);
    add_to(share_ + (stride_ + j), d_beta, first);
  }
  LK_DEVICE void finish(const Team&, int64_t) const {}

 private:
  LK_DEVICE static void add_to(Global<float> to, Piece piece, bool first) {
    if (!first) {
      const Piece before = load_floats<kElements>(to);
#pragma unroll
      for (int e = 0; e < kElements; ++e) piece.v[e] += before.v[e];
    }
    store_floats(to, piece);
  }

  Global<float> share_;
  int64_t stride_;
};

struct Gradients {
  int64_t m, k;
  int64_t block_rows;  // rows of a block
  Global<const float> gamma;
  Rows<const float> statistics;
  bool add_to_d_x;
  Global<float> shares;  // a block's every 2 * share_stride elements
  int64_t share_stride;
};

// A block takes block_rows rows, its teams in turn. x and dy are read once; with kParameters the
// same reading gives the block's share of d_gamma and d_beta. Without, block_rows is as many as
// there are teams. Warps: 128 threads; kParameters holds x, dy and both sums of 32 columns a lane in
// registers. Shared memory: see Shares. d_x may be left out.
template <class T, class Team, bool kParameters>
__global__ void __launch_bounds__(Team::kThreads, kBackwardBlocks<T, Team, kParameters>)
    layer_norm_backward_kernel(Gradients call, Rows<const T> dy, Rows<const T> x, Rows<T> d_x) {
  constexpr int kElements = Team::kElements;
  using Piece = Floats<kElements>;
  const Team team;
  const int64_t k = call.k, first = static_cast<int64_t>(blockIdx.x) * call.block_rows;
  const int64_t end = first + call.block_rows < call.m ? first + call.block_rows : call.m;
  const float count = static_cast<float>(k);
  Shares<Team> shares(call.shares + 2 * static_cast<int64_t>(blockIdx.x) * call.share_stride,
                      call.share_stride);
  for (int64_t i = first + team.row(); i < end; i += Team::kRows) {
    const TeamRow dy_row(team, k, [&](int64_t j) { return load_floats<kElements>(dy.at(i, j)); });
    const TeamRow x_row(team, k, [&](int64_t j) { return load_floats<kElements>(x.at(i, j)); });
    const float mean = load(call.statistics.at(i, 0)), rstd = load(call.statistics.at(i, 1));
    if (d_x.data) {
      float sum_g = 0, sum_gn = 0;
      team.over(k, [&](int step, int64_t j) {
        const Piece gradient = dy_row.piece(step, j), input = x_row.piece(step, j);
        const Piece scale = load_floats<kElements>(call.gamma + j);
#pragma unroll
        for (int e = 0; e < kElements; ++e) {
          const float g = gradient.v[e] * scale.v[e];
          sum_g += g;
          sum_gn += g * ((input.v[e] - mean) * rstd);
        }
      });
      const float mean_g = team.sum(sum_g) / count, mean_gn = team.sum(sum_gn) / count;
      team.over(k, [&](int step, int64_t j) {
        const Piece gradient = dy_row.piece(step, j), input = x_row.piece(step, j);
        const Piece scale = load_floats<kElements>(call.gamma + j);
        Piece result = {};
        if (call.add_to_d_x) result = load_floats<kElements>(d_x.at(i, j));
#pragma unroll
        for (int e = 0; e < kElements; ++e) {
          const float normalised = (input.v[e] - mean) * rstd;
          result.v[e] += rstd * (gradient.v[e] * scale.v[e] - mean_g - normalised * mean_gn);
        }
        store_floats(d_x.at(i, j), result);
      });
    }
    if constexpr (kParameters) {
      team.over(k, [&](int step, int64_t j) {
        const Piece gradient = dy_row.piece(step, j);
        Piece product = x_row.piece(step, j);
#pragma unroll
        for (int e = 0; e < kElements; ++e) product.v[e] = gradient.v[e] * ((product.v[e] - mean) * rstd);
        shares.add(step, j, product, gradient, i == first);
      });
    }
  }
  if constexpr (kParameters) shares.finish(team, k);
}

// Runs body(Team{}) with the team for rows of k elements.
template <class T, class Body>
lk_status with_team(int64_t k, bool wide, const Body& body) {
  if (!wide) {
    describe_kernel("cuda a block a row, element by element");
    return body(BlockTeam<1>{});
  }
  if (k > kMaxWarpRow) {
    describe_kernel("cuda a block a row");
    return body(BlockTeam<kChunkElements<T>>{});
  }
  describe_kernel("cuda a warp a row");
  return body(WarpTeam<kChunkElements<T>>{});
}

}  // namespace

lk_status layer_norm_forward(const Context& context, const Forward& call) {
  return with_type(call.dtype(), [&](auto type) {
    using T = decltype(type);
    const int64_t m = call.x.rows, k = call.x.columns;
    const bool wide = has_chunks<T>(call.x) && has_chunks<T>(call.y) &&
                      is_chunk_aligned(call.gamma.data) && is_chunk_aligned(call.beta.data);
    return with_team<T>(k, wide, [&](auto team) {
      using Team = decltype(team);
      const LaunchShape shape = {ceil_divide(m, Team::kRows), Team::kThreads, Team::kSharedBytes};
      return launch("layer_norm_forward", layer_norm_forward_kernel<T, Team>, context, shape, m, k,
                    rows_of<const T>(call.x), rows_of<T>(call.y),
                    Global<const float>{call.gamma.data}, Global<const float>{call.beta.data},
                    call.eps, rows_of<float>(call.statistics));
    });
  });
}

size_t layer_norm_backward_workspace(const Context&, const Backward& call) {
  return Cut(call).bytes();
}

lk_status layer_norm_backward(const Context& context, const Backward& call) {
  const bool parameters = call.d_gamma || call.d_beta;
  const int64_t m = call.x.rows, k = call.x.columns;
  const Cut cut(call);
  auto* shares = static_cast<float*>(context.workspace);
  LK_TRY(with_type(call.dtype(), [&](auto type) {
    using T = decltype(type);
    const bool wide = has_chunks<T>(call.x) && has_chunks<T>(call.dy) &&
                      (!call.d_x || has_chunks<T>(call.d_x)) && is_chunk_aligned(call.gamma.data);
    return with_team<T>(k, wide, [&](auto team) {
      using Team = decltype(team);
      const Gradients gradients = {m, k, parameters ? cut.rows : Team::kRows,
                                   {call.gamma.data}, rows_of<const float>(call.statistics),
                                   call.add_to_d_x, {shares}, cut.stride};
      const LaunchShape shape = {
          ceil_divide(m, gradients.block_rows), Team::kThreads,
          parameters ? Shares<Team>::shared_bytes(cut.stride) : Team::kSharedBytes};
      const auto kernel = parameters ? layer_norm_backward_kernel<T, Team, true>
                                     : layer_norm_backward_kernel<T, Team, false>;
      return launch("layer_norm_backward", kernel, context, shape, gradients,
                    rows_of<const T>(call.dy), rows_of<const T>(call.x), rows_of<T>(call.d_x));
    });
  }));
  if (!parameters) return LK_OK;
  return sum_columns("layer_norm_backward_parameters", context,
                     {cut.blocks, k, 2 * cut.stride, {shares, shares + cut.stride},
                      {call.d_gamma.data, call.d_beta.data}, call.add_to_parameters});
}

}  // namespace lk::cuda
