// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention of any number of tokens in bf16 or f16, on tensor cores, head dimensions to 128 that are
// multiples of 8. Rows must begin at multiples of 16 bytes. Checked against attention/reference.cpp.
// Architectures: all.
//
// A block owns 64 queries of a head, 16 a warp, in registers. It walks over the keys and values, 64 at
// a time, in two stages of shared memory (Tile, swizzled or of odd pitch); a running softmax rescales
// what was added up before (Milakov & Gimelshein, arXiv 1805.02867). 16 keys or queries that do not
// exist cost no product. The barrier of a round says that its keys and values have arrived for all, and
// that all have read those of the round before, which the next copies overwrite.
//
// Determinism: a warp's queries are its own; sums follow the keys in their order.
#include "attention/cuda_stream.cuh"

namespace lk::cuda {
namespace {

constexpr int kGroups = kStreamed / kProduct;

// Turns scores with the next keys into weights relative to the largest score so far, packed as left
// operands; `rest` of the keys exist. largest, total: of rows g and g + 8, the latter of the lane's keys
// alone, in units of log2(e). factors: what earlier weights shrink by.
template <class T>
LK_DEVICE void running_softmax(int lane, int rest, float scale, float (&scores)[kGroups][2][4],
                               uint32_t (&weights)[kGroups][4], float (&largest)[2],
                               float (&total)[2], float (&factors)[2]) {
  const bool cut = rest < kStreamed;
  float now[2] = {largest[0], largest[1]}, shift[2];
#pragma unroll
  for (int j = 0; j < kGroups; ++j) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      float& score = scores[j][i / 4][i % 4];
      score *= scale;
      if (cut && j * kProduct + i / 4 * 8 + lane % 4 * 2 + i % 2 >= rest) score = -INFINITY;
      now[i % 4 / 2] = fmaxf(now[i % 4 / 2], score);
    }
  }
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    now[r] = max_of_lanes<4>(now[r]);
    // While all scores are -infinity nothing may be subtracted from them.
    shift[r] = now[r] == -INFINITY ? 0 : now[r];
    factors[r] = exp2_fast(largest[r] - shift[r]);
    largest[r] = now[r];
    total[r] *= factors[r];
  }
#pragma unroll
  for (int j = 0; j < kGroups; ++j) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      float& score = scores[j][i / 4][i % 4];
      score = exp2_fast(score - shift[i % 4 / 2]);
      total[i % 4 / 2] += score;
    }
    pack_left<T>(scores[j], weights[j]);
  }
}

template <class T, class S>
__global__ void __launch_bounds__(kStreamThreads, S::kBlocks) stream_forward(ForwardHeads<T> a) {
  using Keys = Stages<T, S::kDim>;
  const StreamPlace place(a);
  const int lane = lane_of_warp();
  const HeadRows<const T> k = a.k.of(place.batch, place.head), v = a.v.of(place.batch, place.head);
  Keys::copy(0, a, k, v, 0);
  copy_async_commit();
  uint32_t queries[S::kSteps][4];
  load_left(lane, a.q.of(place.batch, place.head), place.first, a.tokens, a.head_dim, queries);
  float largest[2] = {-INFINITY, -INFINITY}, total[2] = {}, sums[S::kTiles][4];
  clear(sums);
  for (int key = 0, stage = 0; key < a.tokens; key += kStreamed, stage ^= 1) {
    copy_async_wait<0>();
    barrier();
    if (key + kStreamed < a.tokens) Keys::copy(stage ^ 1, a, k, v, key + kStreamed);
    copy_async_commit();
    if (place.first >= a.tokens) continue;
    const int rest = a.tokens - key;
    float scores[kGroups][2][4], factors[2];
    uint32_t weights[kGroups][4];
#pragma unroll
    for (int j = 0; j < kGroups; ++j) {
      if (j * kProduct < rest) {
        multiply_rows(lane, queries, Keys::first(stage), j * kProduct, scores[j]);
      } else {
        clear(scores[j]);
      }
    }
    running_softmax<T>(lane, rest, a.scale * kLog2E, scores, weights, largest, total, factors);
#pragma unroll
    for (int n = 0; n < S::kTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[n][i] *= factors[i / 2];
    }
#pragma unroll
    for (int j = 0; j < kGroups; ++j) {
      if (j * kProduct < rest) {
        add_rows(lane, weights[j], Keys::second(stage), j * kProduct, 0, sums);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < 2; ++r) total[r] = sum_of_lanes<4>(total[r]);
  store_rows(lane, a.out.of(place.batch, place.head), place.first, 0, a.tokens, a.head_dim, sums,
             {1 / total[0], 1 / total[1]});
  if (!a.log_sum_exp.data || lane % 4 != 0) return;
  const HeadRows<float> log_sum_exp = a.log_sum_exp.of(place.batch, place.head);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int token = place.first + lane / 4 + 8 * r;
    if (token < a.tokens) store(log_sum_exp.row(token), (largest[r] + log2f(total[r])) * kLn2);
  }
}

template <class S>
lk_status run(const Context& context, const attention::Forward& call) {
  constexpr int kShared = Stages<Bf16, S::kDim>::kBytes;
  const LaunchShape shape = stream_launch(call.sizes, kShared);
  return call.dtype() == LK_BF16
             ? launch("attention_stream_forward", stream_forward<Bf16, S>, context, shape,
                      ForwardHeads<Bf16>(call))
             : launch("attention_stream_forward", stream_forward<F16, S>, context, shape,
                      ForwardHeads<F16>(call));
}

}  // namespace

lk_status attention_stream_forward(const Context& context, const attention::Forward& call) {
  const int64_t head_dim = call.sizes.head_dim;
  if (head_dim <= 32) return run<StreamShape<32, 4>>(context, call);
  if (head_dim <= 64) return run<StreamShape<64, 3>>(context, call);
  if (head_dim <= 80) return run<StreamShape<80, 3>>(context, call);
  if (head_dim <= 96) return run<StreamShape<96, 3>>(context, call);
  return run<StreamShape<128, 2>>(context, call);
}

}  // namespace lk::cuda
