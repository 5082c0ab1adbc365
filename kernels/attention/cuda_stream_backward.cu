// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention's gradients for any number of tokens in bf16 or f16, on tensor cores, head dimensions to
// 128 that are multiples of 8. Rows must begin at multiples of 16 bytes. Checked against
// attention/reference.cpp. Architectures: all.
//
//   kernel           own rows, 16 a warp    streamed, 64 at a time    results
//   stream_queries   q, d_out               k, v                      d_q, D = rowsum(d_out ∘ out)
//   stream_keys      k, v                   q, d_out, lse, D          d_k, d_v
//
// Own rows are fragments in registers (keys of over 96 columns: rows in shared memory), results are sums
// in registers. For 16 own and 16 streamed rows,
// scores = own · streamedᵀ and d_weights likewise turn into d_scores (and weights), which packed are the
// left operands of the results' products as they stand. Streamed rows lie in two stages of shared memory
// (Tile, swizzled or of odd pitch), behind them log-sum-exp and D of streamed queries; 16 rows that do
// not exist cost no product. The barrier of a round says that its rows have arrived for all, and that all
// have read those of the round before, which the next copies overwrite.
//
// Rows beyond the last token are zeros. Streamed queries among them need no mask: their d_out and D are
// zero, and so is all they add. Streamed keys do: their weight, e^(0 - lse), has no bound.
//
// Determinism: a warp's rows are its own; sums follow the streamed rows in their order.
#include "attention/cuda_stream.cuh"

namespace lk::cuda {
namespace {

// D of rows g and g + 8 of two left operands.
template <class T, int kSteps>
LK_DEVICE void weighted_of(const uint32_t (&d_out)[kSteps][4], const uint32_t (&out)[kSteps][4],
                           float (&weighted)[2]) {
  weighted[0] = weighted[1] = 0;
#pragma unroll
  for (int k = 0; k < kSteps; ++k) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      weighted[i % 2] += low_of_pair<T>(d_out[k][i]) * low_of_pair<T>(out[k][i]);
      weighted[i % 2] += high_of_pair<T>(d_out[k][i]) * high_of_pair<T>(out[k][i]);
    }
  }
#pragma unroll
  for (int r = 0; r < 2; ++r) weighted[r] = sum_of_lanes<4>(weighted[r]);
}

template <class T, class S>
__global__ void __launch_bounds__(kStreamThreads, S::kBlocks) stream_queries(BackwardHeads<T> a) {
  using Keys = Stages<T, S::kDim>;
  const StreamPlace place(a);
  const int lane = lane_of_warp();
  const auto copy = [&](int stage, int key) {
    const int batch = fresh(place.batch), head = fresh(place.head);
    Keys::copy(stage, a, a.k.of(batch, head), a.v.of(batch, head), key);
  };
  copy(0, 0);
  copy_async_commit();

  uint32_t queries[S::kSteps][4], d_outs[S::kSteps][4];
  float weighted[2], log_sum_exp[2];
  load_left(lane, a.d_out.of(place.batch, place.head), place.first, a.tokens, a.head_dim, d_outs);
  load_left(lane, a.out.of(place.batch, place.head), place.first, a.tokens, a.head_dim, queries);
  weighted_of<T>(d_outs, queries, weighted);
  load_left(lane, a.q.of(place.batch, place.head), place.first, a.tokens, a.head_dim, queries);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int token = place.first + lane / 4 + 8 * r;
    const bool inside = token < a.tokens;
    log_sum_exp[r] =
        inside ? load(a.log_sum_exp.of(place.batch, place.head).row(token)) * kLog2E : 0.0f;
    if (inside && lane % 4 == 0) {
      store(a.weighted.of(place.batch, place.head).row(token), weighted[r]);
    }
  }

  float d_q[S::kTiles][4];
  clear(d_q);
  for (int key = 0, stage = 0; key < a.tokens; key += kStreamed, stage ^= 1) {
    copy_async_wait<0>();
    barrier();
    if (key + kStreamed < a.tokens) copy(stage ^ 1, key + kStreamed);
    copy_async_commit();
    if (place.first >= a.tokens) continue;
    const int rest = a.tokens - key;
#pragma unroll 1
    for (int j = 0; j < kStreamed && j < rest; j += kProduct) {
      float scores[2][4], d_weights[2][4];
      multiply_rows(lane, queries, Keys::first(stage), j, scores);
      multiply_rows(lane, d_outs, Keys::second(stage), j, d_weights);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const bool inside = j + i / 4 * 8 + lane % 4 * 2 + i % 2 < rest;
        const float score = scores[i / 4][i % 4] * (a.scale * kLog2E) - log_sum_exp[i % 4 / 2];
        float& d_score = d_weights[i / 4][i % 4];
        d_score = inside ? exp2_fast(score) * (d_score - weighted[i % 4 / 2]) : 0;
      }
      uint32_t d_scores[4];
      pack_left<T>(d_weights, d_scores);
      add_rows(lane, d_scores, Keys::first(stage), j, 0, d_q);
    }
  }
  store_rows(lane, a.d_q.of(place.batch, place.head), place.first, 0, a.tokens, a.head_dim, d_q,
             {a.scale, a.scale});
}

// Streamed queries' log-sum-exp, then their D, in each of the two stages behind the rows.
template <class T, int kDim>
struct QueryStages : Stages<T, kDim> {
  using Base = Stages<T, kDim>;
  static constexpr int kNumbers = kStreamed * int{sizeof(float)};
  static constexpr int kBytes = Base::kBytes + 4 * kNumbers;

  LK_DEVICE static int log_sum_exp(int stage) { return Base::kBytes + stage * 2 * kNumbers; }
  LK_DEVICE static int weighted(int stage) { return log_sum_exp(stage) + kNumbers; }

  LK_DEVICE static void copy(int stage, const BackwardHeads<T>& a, const StreamPlace& place,
                             int query) {
    Base::copy(stage, a, a.q.of(place.batch, place.head), a.d_out.of(place.batch, place.head), query);
    const int i = static_cast<int>(threadIdx.x) % kStreamed;
    const bool inside = query + i < a.tokens;
    const bool is_lse = static_cast<int>(threadIdx.x) < kStreamed;
    const HeadRows<float> from = (is_lse ? a.log_sum_exp : a.weighted).of(place.batch, place.head);
    copy_async4(shared_at<float>(is_lse ? log_sum_exp(stage) : weighted(stage)) + i,
                from.row(inside ? query + i : 0), inside);
  }
};
static_assert(kStreamThreads == 2 * kStreamed);
static_assert(QueryStages<Bf16, 128>::kBytes <= kSmallestShared);

// The block's own keys: fragments in registers or, where these would be too many, rows in shared memory
// behind all else.
template <class T, class S>
struct OwnKeys {
  static constexpr bool kShared = S::kDim > 96;
  using Rows = Tile<T, S::kDim>;
  static constexpr int kPlace = (QueryStages<T, S::kDim>::kBytes + 255) / 256 * 256;
  static constexpr int kSharedBytes =
      kShared ? kPlace + Rows::bytes(kOwn) : QueryStages<T, S::kDim>::kBytes;

  uint32_t fragments[kShared ? 1 : S::kSteps][4];

  // Shared rows have arrived after the wait and the barrier that the next copies need.
  LK_DEVICE void load(int lane, const BackwardHeads<T>& a, const StreamPlace& place) {
    const HeadRows<const T> rows = a.k.of(place.batch, place.head);
    if constexpr (kShared) {
      const int first = place.first - warp_of_block() * kProduct;
      copy_rows(Rows{kPlace}, kOwn, rows, first, a.tokens, a.head_dim);
    } else {
      load_left(lane, rows, place.first, a.tokens, a.head_dim, fragments);
    }
  }
  LK_DEVICE void multiply(int lane, Rows queries, int first, float (&scores)[2][4]) const {
    if constexpr (kShared) {
      const int own = left_place(lane, Rows{kPlace}, warp_of_block() * kProduct);
      const int place = right_place(lane, queries, first);
      clear(scores);
#pragma unroll
      for (int k = 0; k < S::kSteps; ++k) {
        uint32_t left[4];
        load_left(Rows{kPlace}, own, k, left);
        multiply_step(left, queries, place, k, scores);
      }
    } else {
      multiply_rows(lane, fragments, queries, first, scores);
    }
  }
};
static_assert(OwnKeys<Bf16, StreamShape<128, 2>>::kSharedBytes <= kSmallestShared);

template <class T, class S>
__global__ void __launch_bounds__(kStreamThreads, S::kBlocks) stream_keys(BackwardHeads<T> a) {
  using Queries = QueryStages<T, S::kDim>;
  const StreamPlace place(a);
  const int lane = lane_of_warp();
  OwnKeys<T, S> keys;
  uint32_t values[S::kSteps][4];
  keys.load(lane, a, place);
  Queries::copy(0, a, place, 0);
  copy_async_commit();
  load_left(lane, a.v.of(place.batch, place.head), place.first, a.tokens, a.head_dim, values);
  float d_k[S::kTiles][4], d_v[S::kTiles][4];
  clear(d_k);
  clear(d_v);
  for (int query = 0, stage = 0; query < a.tokens; query += kStreamed, stage ^= 1) {
    copy_async_wait<0>();
    barrier();
    if (query + kStreamed < a.tokens) Queries::copy(stage ^ 1, a, place, query + kStreamed);
    copy_async_commit();
    if (place.first >= a.tokens) continue;
    const int rest = a.tokens - query;
#pragma unroll 1
    for (int j = 0; j < kStreamed && j < rest; j += kProduct) {
      float scores[2][4], d_weights[2][4];
      keys.multiply(lane, Queries::first(stage), j, scores);
      multiply_rows(lane, values, Queries::second(stage), j, d_weights);
      const int numbers = (j + lane % 4 * 2) * int{sizeof(float)};
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        const auto log_sum_exp =
            load(shared_at<Pack<float, 2>>(Queries::log_sum_exp(stage) + numbers + 32 * n));
        const auto weighted =
            load(shared_at<Pack<float, 2>>(Queries::weighted(stage) + numbers + 32 * n));
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          scores[n][i] =
              exp2_fast((scores[n][i] * a.scale - log_sum_exp.v[i % 2]) * kLog2E);
          d_weights[n][i] = scores[n][i] * (d_weights[n][i] - weighted.v[i % 2]);
        }
      }
      uint32_t left[4];
      pack_left<T>(scores, left);
      add_rows(lane, left, Queries::second(stage), j, 0, d_v);
      pack_left<T>(d_weights, left);
      add_rows(lane, left, Queries::first(stage), j, 0, d_k);
    }
  }
  const HeadRows<T> to_k = a.d_k.of(place.batch, place.head), to_v = a.d_v.of(place.batch, place.head);
  store_rows(lane, to_k, place.first, 0, a.tokens, a.head_dim, d_k, {a.scale, a.scale});
  store_rows(lane, to_v, place.first, 0, a.tokens, a.head_dim, d_v, {1, 1});
}

template <class T, class Queries, class Keys>
lk_status run(const Context& context, const attention::Backward& call) {
  const BackwardHeads<T> heads(call, context.workspace);
  LK_TRY(launch("attention_stream_backward_queries", stream_queries<T, Queries>, context,
                stream_launch(call.sizes, Stages<T, Queries::kDim>::kBytes), heads));
  return launch("attention_stream_backward_keys", stream_keys<T, Keys>, context,
                stream_launch(call.sizes, OwnKeys<T, Keys>::kSharedBytes), heads);
}
template <class Queries, class Keys>
lk_status run(const Context& context, const attention::Backward& call) {
  return call.dtype() == LK_BF16 ? run<Bf16, Queries, Keys>(context, call)
                                 : run<F16, Queries, Keys>(context, call);
}

}  // namespace

lk_status attention_stream_backward(const Context& context, const attention::Backward& call) {
  const int64_t head_dim = call.sizes.head_dim;
  if (head_dim <= 32) return run<StreamShape<32, 4>, StreamShape<32, 4>>(context, call);
  if (head_dim <= 64) return run<StreamShape<64, 4>, StreamShape<64, 3>>(context, call);
  if (head_dim <= 80) return run<StreamShape<80, 3>, StreamShape<80, 2>>(context, call);
  if (head_dim <= 96) return run<StreamShape<96, 3>, StreamShape<96, 2>>(context, call);
  return run<StreamShape<128, 2>, StreamShape<128, 2>>(context, call);
}

}  // namespace lk::cuda
