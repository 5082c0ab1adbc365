// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention of any shape: any head_dim up to 256, any tokens, strides, alignment and dtype, in f32
// multiply-adds. Checked against attention/reference.cpp. Architectures: all.
//
// A block of kWarps warps owns kWarps * kRows rows of one head and walks over the rows they meet,
// kStreamed at a time, all of them in shared memory as f32. Scores: lane l of a warp makes those of
// its kRows own rows with streamed row l. Sums: lane l makes columns l, l + 32, ... of its rows'
// results; the weights come to it through the warp's strip of shared memory.
//
//   kernel            own rows    streamed rows   results
//   general_forward   q           k, v            out, log_sum_exp, by a running softmax
//   general_backward  q, d_out    k, v            d_q, and D = rowsum(d_out ∘ out) on the way
//   general_backward  k, v        q, d_out        d_k, d_v, from that D
//
// Shared memory, f32: own rows, streamed rows [kStreamed][pitch], strips [kWarps][kRows][kStreamed].
// The pitch is an odd number of 16-byte chunks, so that lanes that read one chunk of 8 neighbouring
// rows meet 8 different groups of banks.
//
// Determinism: every result is one thread's sum, in the order of the streamed rows.
#include "attention/cuda_kernels.h"
#include "attention/cuda_heads.cuh"

namespace lk::cuda {
namespace {

constexpr int kWarps = 4, kThreads = kWarps * kWarp, kBlocks = 3;  // blocks: resident on an SM
constexpr int kStreamed = kWarp;
using Four = Pack<float, 4>;

// A launch shape: results of up to kColumns * 32 columns, kRows own rows a warp.
template <int kColumns_, int kRows_>
struct Shape {
  static constexpr int kColumns = kColumns_, kRows = kRows_;
  static constexpr int kOwn = kWarps * kRows;

  // own, strips: how many of each there are.
  static constexpr int shared_floats(int head_dim, int own, int strips) {
    return (own * kOwn + 2 * kStreamed) * pitch(head_dim) + strips * kOwn * kStreamed;
  }
  __host__ __device__ static constexpr int pitch(int head_dim) { return ((head_dim + 3) / 4 | 1) * 4; }
};
using NarrowForward = Shape<2, 8>;
using WideForward = Shape<8, 4>;
using NarrowBackward = Shape<2, 8>;
using WideBackward = Shape<8, 3>;
constexpr int kNarrow = 2 * kWarp;  // the most columns of the narrow shapes

template <class S>
constexpr int forward_bytes(int head_dim) {
  return S::shared_floats(head_dim, 1, 1) * int{sizeof(float)};
}
template <class S>
constexpr int backward_bytes(int head_dim) {
  return S::shared_floats(head_dim, 2, 2) * int{sizeof(float)};
}
static_assert(forward_bytes<WideForward>(256) <= kSmallestShared);
static_assert(backward_bytes<WideBackward>(256) <= kSmallestShared);

// Column c of a row of any dtype.
LK_DEVICE float load_any(Global<const char> row, int c, int dtype) {
  if (dtype == LK_BF16) return load_float(row.as<const Bf16>() + c);
  if (dtype == LK_F16) return load_float(row.as<const F16>() + c);
  return load_float(row.as<const float>() + c);
}
LK_DEVICE void store_any(Global<char> row, int c, int dtype, float value) {
  if (dtype == LK_BF16) return store_float(row.as<Bf16>() + c, value);
  if (dtype == LK_F16) return store_float(row.as<F16>() + c, value);
  store_float(row.as<float>() + c, value);
}

// Rows [first, first + count) to shared memory; zero beyond the last token and the last column.
template <class Call>
LK_DEVICE void stage(const Call& a, HeadRows<const char> rows, int first, int count,
                     Shared<float> to, int pitch) {
  for (int i = warp_of_block(); i < count; i += kWarps) {
    const bool inside = first + i < a.tokens;
    for (int c = lane_of_warp(); c < pitch; c += kWarp) {
      store(to + (i * pitch + c),
            inside && c < a.head_dim ? load_any(rows.row(first + i), c, a.dtype) : 0.0f);
    }
  }
}

// sums[r] = own row r · the lane's streamed row.
template <int kRows>
LK_DEVICE void products(Shared<float> own, Shared<float> streamed, int pitch, int head_dim,
                        float (&sums)[kRows]) {
  const Shared<float> mine = streamed + lane_of_warp() * pitch;
#pragma unroll
  for (int r = 0; r < kRows; ++r) sums[r] = 0;
  for (int c = 0; c < head_dim; c += 4) {
    const Four b = load((mine + c).as<Four>());
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const Four a = load((own + (r * pitch + c)).as<Four>());
#pragma unroll
      for (int e = 0; e < 4; ++e) sums[r] += a.v[e] * b.v[e];
    }
  }
}

// sums[r][j] += weights[r] · column j * 32 + lane of the streamed rows. weights: a strip.
template <int kRows, int kColumns>
LK_DEVICE void add_weighted(Shared<float> weights, Shared<float> streamed, int pitch, int head_dim,
                            float (&sums)[kRows][kColumns]) {
  for (int s = 0; s < kStreamed; s += 4) {
    Four weight[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) weight[r] = load((weights + (r * kStreamed + s)).as<Four>());
#pragma unroll
    for (int j = 0; j < kColumns; ++j) {
      const int column = j * kWarp + lane_of_warp();
      if (column >= head_dim) continue;
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const float value = load(streamed + ((s + e) * pitch + column));
#pragma unroll
        for (int r = 0; r < kRows; ++r) sums[r][j] += weight[r].v[e] * value;
      }
    }
  }
}

// Row `token` of the results = factor * sums.
template <class Call, int kColumns>
LK_DEVICE void write_row(const Call& a, HeadRows<char> rows, int token, float factor,
                         const float (&sums)[kColumns]) {
#pragma unroll
  for (int j = 0; j < kColumns; ++j) {
    const int column = j * kWarp + lane_of_warp();
    if (column < a.head_dim) store_any(rows.row(token), column, a.dtype, factor * sums[j]);
  }
}

template <int kRows, int kColumns>
LK_DEVICE void clear(float (&sums)[kRows][kColumns]) {
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int j = 0; j < kColumns; ++j) sums[r][j] = 0;
  }
}

template <class S>
__global__ void __launch_bounds__(kThreads, kBlocks) general_forward(ForwardHeads<char> a) {
  constexpr int kRows = S::kRows;
  const int pitch = S::pitch(a.head_dim), tiles = (a.tokens + S::kOwn - 1) / S::kOwn;
  const int head = static_cast<int>(blockIdx.x) / tiles % a.heads;
  const int batch = static_cast<int>(blockIdx.x) / tiles / a.heads;
  const int first = static_cast<int>(blockIdx.x) % tiles * S::kOwn;
  const HeadRows<const char> k = a.k.of(batch, head), v = a.v.of(batch, head);

  const Shared<float> queries = shared_memory().as<float>();
  const Shared<float> keys = queries + S::kOwn * pitch, values = keys + kStreamed * pitch;
  const Shared<float> own = queries + warp_of_block() * kRows * pitch;
  const Shared<float> strip =
      values + (kStreamed * pitch + warp_of_block() * kRows * kStreamed);
  stage(a, a.q.of(batch, head), first, S::kOwn, queries, pitch);

  float largest[kRows], total[kRows], sums[kRows][S::kColumns];
  clear(sums);
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    largest[r] = -INFINITY;
    total[r] = 0;
  }
  for (int key = 0; key < a.tokens; key += kStreamed) {
    barrier();  // the block before is done with the keys and values
    stage(a, k, key, kStreamed, keys, pitch);
    stage(a, v, key, kStreamed, values, pitch);
    barrier();  // they, and the queries, are there
    float scores[kRows];
    products(own, keys, pitch, a.head_dim, scores);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const float score = key + lane_of_warp() < a.tokens ? a.scale * scores[r] : -INFINITY;
      const float now = fmaxf(largest[r], max_of_lanes(score));
      // While all scores are -infinity nothing may be subtracted from them.
      const float shift = now == -INFINITY ? 0 : now;
      const float factor = expf(largest[r] - shift), weight = expf(score - shift);
      largest[r] = now;
      total[r] = factor * total[r] + weight;
#pragma unroll
      for (int j = 0; j < S::kColumns; ++j) sums[r][j] *= factor;
      store(strip + (r * kStreamed + lane_of_warp()), weight);
    }
    warp_barrier();  // the warp's weights are there; the next barrier protects their reading
    add_weighted(strip, values, pitch, a.head_dim, sums);
  }
  const HeadRows<char> out = a.out.of(batch, head);
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int token = first + warp_of_block() * kRows + r;
    const float sum = sum_of_lanes(total[r]);
    if (token >= a.tokens) continue;
    write_row(a, out, token, 1 / sum, sums[r]);
    if (a.log_sum_exp.data && lane_of_warp() == 0) {
      store(a.log_sum_exp.of(batch, head).row(token), largest[r] + logf(sum));
    }
  }
}

// kOwnQueries: own rows are q and d_out, results d_q; otherwise own rows are k and v, results d_k
// and d_v.
template <class S, bool kOwnQueries>
__global__ void __launch_bounds__(kThreads, kBlocks) general_backward(BackwardHeads<char> a) {
  constexpr int kRows = S::kRows;
  const int pitch = S::pitch(a.head_dim), tiles = (a.tokens + S::kOwn - 1) / S::kOwn;
  const int head = static_cast<int>(blockIdx.x) / tiles % a.heads;
  const int batch = static_cast<int>(blockIdx.x) / tiles / a.heads;
  const int first = static_cast<int>(blockIdx.x) % tiles * S::kOwn;
  const HeadRows<const char> q = a.q.of(batch, head), k = a.k.of(batch, head);
  const HeadRows<const char> v = a.v.of(batch, head), d_out = a.d_out.of(batch, head);
  const HeadRows<float> log_sum_exp = a.log_sum_exp.of(batch, head);
  const HeadRows<float> weighted = a.weighted.of(batch, head);

  // Scores are rows · columns; gradients of weights are row_gradients · column_gradients.
  const Shared<float> rows = shared_memory().as<float>(), row_gradients = rows + S::kOwn * pitch;
  const Shared<float> columns = row_gradients + S::kOwn * pitch;
  const Shared<float> column_gradients = columns + kStreamed * pitch;
  const int warp_row = warp_of_block() * kRows;
  const Shared<float> strip = column_gradients + (kStreamed * pitch + warp_row * kStreamed);
  const Shared<float> weight_strip = strip + S::kOwn * kStreamed;
  stage(a, kOwnQueries ? q : k, first, S::kOwn, rows, pitch);
  stage(a, kOwnQueries ? d_out : v, first, S::kOwn, row_gradients, pitch);

  // Of the row's query, when the own rows are queries.
  float row_log_sum_exp[kRows], row_weighted[kRows];
  if constexpr (kOwnQueries) {
    const HeadRows<const char> out = a.out.of(batch, head);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int token = first + warp_row + r;
      row_log_sum_exp[r] = token < a.tokens ? load(log_sum_exp.row(token)) : 0.0f;
      float sum = 0;
      for (int c = lane_of_warp(); c < a.head_dim && token < a.tokens; c += kWarp) {
        sum += load_any(out.row(token), c, a.dtype) * load_any(d_out.row(token), c, a.dtype);
      }
      row_weighted[r] = sum_of_lanes(sum);
      if (token < a.tokens && lane_of_warp() == 0) store(weighted.row(token), row_weighted[r]);
    }
  }

  float sums[kRows][S::kColumns], value_sums[kRows][S::kColumns];
  clear(sums);
  clear(value_sums);
  for (int streamed = 0; streamed < a.tokens; streamed += kStreamed) {
    barrier();  // the block before is done with the columns
    stage(a, kOwnQueries ? k : q, streamed, kStreamed, columns, pitch);
    stage(a, kOwnQueries ? v : d_out, streamed, kStreamed, column_gradients, pitch);
    barrier();  // they, and the rows, are there
    const int token = streamed + lane_of_warp();
    const bool inside = token < a.tokens;
    float column_log_sum_exp = 0, column_weighted = 0;
    if (!kOwnQueries && inside) {
      column_log_sum_exp = load(log_sum_exp.row(token));
      column_weighted = load(weighted.row(token));
    }
    float scores[kRows], d_weights[kRows];
    products(rows + warp_row * pitch, columns, pitch, a.head_dim, scores);
    products(row_gradients + warp_row * pitch, column_gradients, pitch, a.head_dim, d_weights);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const float shift = kOwnQueries ? row_log_sum_exp[r] : column_log_sum_exp;
      const float d = kOwnQueries ? row_weighted[r] : column_weighted;
      const float weight = inside ? expf(a.scale * scores[r] - shift) : 0;
      store(strip + (r * kStreamed + lane_of_warp()), inside ? weight * (d_weights[r] - d) : 0);
      if (!kOwnQueries) store(weight_strip + (r * kStreamed + lane_of_warp()), weight);
    }
    warp_barrier();  // the warp's strips are there; the next barrier protects their reading
    add_weighted(strip, columns, pitch, a.head_dim, sums);
    if (!kOwnQueries) add_weighted(weight_strip, column_gradients, pitch, a.head_dim, value_sums);
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int token = first + warp_row + r;
    if (token >= a.tokens) continue;
    const Heads<char>& gradients = kOwnQueries ? a.d_q : a.d_k;
    write_row(a, gradients.of(batch, head), token, a.scale, sums[r]);
    if (!kOwnQueries) write_row(a, a.d_v.of(batch, head), token, 1, value_sums[r]);
  }
}

template <class S>
LaunchShape shape_of(const attention::Sizes& s, int bytes) {
  return {s.batch * s.heads * ceil_divide(s.tokens, S::kOwn), kThreads, bytes};
}

template <class S>
lk_status run_forward(const Context& context, const attention::Forward& call) {
  const int bytes = forward_bytes<S>(static_cast<int>(call.sizes.head_dim));
  return launch("attention_general_forward", general_forward<S>, context,
                shape_of<S>(call.sizes, bytes), ForwardHeads<char>(call));
}

template <class S>
lk_status run_backward(const Context& context, const attention::Backward& call) {
  const int bytes = backward_bytes<S>(static_cast<int>(call.sizes.head_dim));
  const LaunchShape shape = shape_of<S>(call.sizes, bytes);
  const BackwardHeads<char> heads(call, context.workspace);
  LK_TRY(launch("attention_general_backward_queries", general_backward<S, true>, context, shape,
                heads));
  return launch("attention_general_backward_keys", general_backward<S, false>, context, shape,
                heads);
}

}  // namespace

lk_status attention_general_forward(const Context& context, const attention::Forward& call) {
  return call.sizes.head_dim <= kNarrow ? run_forward<NarrowForward>(context, call)
                                        : run_forward<WideForward>(context, call);
}

lk_status attention_general_backward(const Context& context, const attention::Backward& call) {
  return call.sizes.head_dim <= kNarrow ? run_backward<NarrowBackward>(context, call)
                                        : run_backward<WideBackward>(context, call);
}

}  // namespace lk::cuda
