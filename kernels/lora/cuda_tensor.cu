// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The fused LoRA layer on tensor cores: two launches forward, three backward where
// cuda_gradient.cuh takes the groups; else, and where x needs no gradient, one launch for each
// tensor. README.md has the launch table.
#include "lora/cuda_gradient.cuh"

namespace lk::cuda {
namespace {

// 32 ranks by 128 columns, summed over rows: d_a, and d_b on its own.
using RankTile = TileShape<32, 128, 32, 32>;

// How many parts sums over m rows are cut into: of about 256 or more, and no more blocks than fill
// a large device.
int64_t rank_parts(int64_t m, int64_t ranks, int64_t columns) {
  constexpr int64_t kRows = 256, kBlocks = 512;
  const int64_t tiles = ceil_divide(ranks, RankTile::kM) * ceil_divide(columns, RankTile::kN);
  const int64_t most = ceil_divide(m, kRows), wanted = ceil_divide(kBlocks, tiles);
  return wanted < most ? wanted : most;
}

// Parts of ranksᵀ (mask ∘ rows): d_a from dh and x, d_b transposed from h and dy.
template <class T>
lk_status sum_over_rows(const char* name, const Context& context, int64_t m, int64_t ranks,
                        int64_t columns, int64_t parts, const RankChunks<T>& left,
                        const MaskedChunks<T>& right, const StoreRankPart& store_part) {
  return multiply_chunks<T, RankTile>(name, context, ranks, columns, m, parts, left, right, store_part);
}

template <class T>
lk_status forward(const Context& context, const lora::Forward& call, const Matrix& h) {
  const linear::Forward& base = call.linear;
  const lora::Adapter& adapter = call.adapter;
  const int64_t m = base.x.rows, n = base.w.n, k = base.w.k;
  const Rows<const T> x = rows_of<const T>(base.x);
  LK_TRY(multiply_ranks("lora_h", context,
                        RankProduct<T>{x, mask_of(adapter, k), rows_of<const float>(adapter.a), true,
                                       rows_of<float>(h), adapter.factor(), m, k, adapter.rows()}));
  return multiply_tiles("lora_forward", context, m, n, k, 1, ChunkRows<T, true>{x},
                        ChunkRows<T, true>{rows_of<T>(base.w)},
                        LowRankOutput{rows_of<const float>(h), rows_of<const float>(adapter.b),
                                      groups_of(adapter), m, n},
                        ForwardEpilogue<T>(base));
}

// d_x, dh and d_b's parts in one launch.
template <class T>
lk_status gradient(const Context& context, const lora::Backward& call, const Scratch& scratch) {
  const linear::Backward& base = call.linear;
  const lora::Adapter& adapter = call.adapter;
  const int64_t k = base.w.k;
  const Gradient<T> gradient = {base.dy.rows,
                                base.w.n,
                                k,
                                {rows_of<const T>(base.dy)},
                                {rows_of<T>(base.w)},
                                groups_of(adapter),
                                rows_of<const float>(adapter.a),
                                rows_of<const float>(adapter.b),
                                rows_of<const float>(call.h),
                                scale_of(base.row_scale),
                                adapter.factor(),
                                mask_of(adapter, k),
                                {scratch.dh, adapter.rows()},
                                scratch.d_b,
                                b_rows(adapter),
                                InputGradientEpilogue<T>(base)};
  return adapter.rank <= 16 ? launch_gradient<T, 16>(context, gradient)
                            : launch_gradient<T, 32>(context, gradient);
}

// The same, tensor by tensor.
template <class T>
lk_status gradients_apart(const Context& context, const lora::Backward& call, const Scratch& scratch,
                          int64_t d_b_count) {
  const linear::Backward& base = call.linear;
  const lora::Adapter& adapter = call.adapter;
  const int64_t m = base.dy.rows, n = base.w.n, k = base.w.k, rank = adapter.rank;
  const Rows<const T> dy = rows_of<const T>(base.dy);
  const Rows<const float> a = rows_of<const float>(adapter.a), b = rows_of<const float>(adapter.b);
  const Mask none = {};
  for (int64_t g = 0; g < adapter.groups; ++g) {
    const lora::Group& group = adapter.group[g];
    const Rows<const T> dy_g = {{dy.data.at + group.first}, dy.stride};
    const Rows<const float> b_g = {{b.data.at + group.b_row * b.stride}, b.stride};
    const Rows<const float> h_g = {{call.h.row(0) + g * rank}, call.h.stride};
    const Rows<float> dh_g = {{scratch.dh.at + g * rank}, adapter.rows()};
    LK_TRY(multiply_ranks("lora_dh", context, RankProduct<T>{dy_g, none, b_g, false, dh_g, adapter.factor(),
                                                             m, group.columns, rank}));
    LK_TRY(sum_over_rows("lora_d_b", context, m, rank, group.columns, d_b_count,
                         RankChunks<T>{h_g, scale_of(base.row_scale)}, MaskedChunks<T>{dy_g, none},
                         StoreRankPart{{scratch.d_b.at + group.b_row * rank}, b_rows(adapter) * rank, 1,
                                       rank, group.columns}));
  }
  if (!base.d_x) return LK_OK;
  const LowRankInput low_rank = {{{scratch.dh.at}, adapter.rows()}, a, adapter.rows(),
                                 mask_of(adapter, k), m, k};
  return multiply_async<LargeProduct>("lora_d_x", context, m, k, n, 1, ChunkRows<T, true>{dy},
                                      ChunkRows<T, false>{rows_of<T>(base.w)}, low_rank,
                                      InputGradientEpilogue<T>(base));
}

template <class T>
lk_status backward(const Context& context, const lora::Backward& call) {
  const linear::Backward& base = call.linear;
  const lora::Adapter& adapter = call.adapter;
  const int64_t m = base.dy.rows, k = base.w.k, ranks = adapter.rows();
  const Scratch scratch = scratch_of(context, call);
  int64_t d_b_count = d_b_parts(m);
  bool whole = false;
  if constexpr (!std::is_same_v<T, float>) {
    whole = base.d_x && takes_gradient(adapter, base.w.n);
    if (whole) LK_TRY(gradient<T>(context, call, scratch));
  }
  if (!whole) {
    d_b_count = rank_parts(m, adapter.rank, b_rows(adapter));
    LK_TRY(gradients_apart<T>(context, call, scratch, d_b_count));
  }
  const int64_t d_a_count = d_a_parts(m, ranks, k);
  LK_TRY(sum_over_rows("lora_d_a", context, m, ranks, k, d_a_count,
                       RankChunks<T>{{{scratch.dh.at}, ranks}, scale_of(base.row_scale)},
                       MaskedChunks<T>{rows_of<const T>(base.x), mask_of(adapter, k)},
                       StoreRankPart{scratch.d_a, ranks * k, k, 1, k}));
  return sum_gradients(context, call, d_b_count, d_a_count);
}

}  // namespace

int64_t d_a_parts(int64_t m, int64_t ranks, int64_t k) { return rank_parts(m, ranks, k); }
int64_t d_b_parts(int64_t m) { return ceil_divide(m, GradientShape<16>::Tile::kM); }

bool takes_tensor_cores(const Context& context, const lora::Forward& call) {
  bool takes = has_chunks<float>(call.adapter.a);
  with_type(call.dtype(), [&](auto type) {
    takes = takes && takes_forward<decltype(type)>(context, call.linear);
    return LK_OK;
  });
  return takes;
}

bool takes_tensor_cores(const Context& context, const lora::Backward& call) {
  const linear::Backward& base = call.linear;
  bool takes = has_chunks<float>(call.adapter.a);
  for (int64_t g = 0; g < call.adapter.groups; ++g) {
    const lora::Group& group = call.adapter.group[g];
    takes = takes && group.first % kChunk == 0 && group.columns % kChunk == 0;
  }
  with_type(call.dtype(), [&](auto type) {
    using T = decltype(type);
    takes = takes && has_chunks<T>(base.x) &&
            (base.d_x ? takes_input_gradient<T>(context, base)
                      : on_tensor_cores<T>(context) && has_chunks<T>(base.dy));
    return LK_OK;
  });
  return takes;
}

lk_status lora_forward_tensor(const Context& context, const lora::Forward& call, const Matrix& h) {
  return with_type(call.dtype(), [&](auto type) {
    using T = decltype(type);
    describe_kernel(tensor_cores_of<T>());
    return forward<T>(context, call, h);
  });
}

lk_status lora_backward_tensor(const Context& context, const lora::Backward& call) {
  return with_type(call.dtype(), [&](auto type) {
    using T = decltype(type);
    describe_kernel(tensor_cores_of<T>());
    return backward<T>(context, call);
  });
}

}  // namespace lk::cuda
