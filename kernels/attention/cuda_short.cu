// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention of at most 256 tokens of head_dim 64 in bf16 or f16, on tensor cores: one block a head,
// everything a head needs in shared memory or registers, one trip through global memory. Rows must
// begin at multiples of 16 bytes. Checked against attention/reference.cpp. Architectures: all.
//
// short_forward. A warp owns 16 queries at a time and makes all their scores at once, in registers:
// the softmax needs no rescaling. Shared memory: the head's keys, then its values, swizzled rows
// (Tile) up to whole 16, zero beyond the last token; each a group of copies, so that scores are made
// while values are still on their way. Queries come straight from global memory.
//
// short_backward. A warp owns 16 keys: their rows of k and v are fragments in registers, their rows of
// d_k and d_v sums in registers. It walks over the queries, 16 at a time: scoresᵀ = k · qᵀ and
// d_weightsᵀ = v · d_outᵀ turn into weightsᵀ and d_scoresᵀ, which as they stand are left operands of
// d_v += weightsᵀ · d_out and d_k += d_scoresᵀ · q. d_scoresᵀ also goes to a strip of shared memory,
// from which the block, all warps together, makes d_q = d_scores · k when the strip is full.
// Shared memory: q, d_out, k (Tile); the strip [keys][2 strip_tiles + 1 chunks], whose odd pitch keeps
// it free of bank conflicts; log-sum-exp times log2(e) and D = rowsum(d_out ∘ out) of each query.
//
// Determinism: a block owns its head and writes each result once; sums follow keys or queries in their
// order.
#include "attention/cuda_kernels.h"
#include "attention/cuda_tile.cuh"

namespace lk::cuda {
namespace {

constexpr int kDim = 64;
constexpr int kSteps = kDim / kProduct, kTiles = kDim / 8;
template <class T>
using Rows64 = Tile<T, kDim>;

// ---- Forward

// A launch shape: up to kKeyTiles * 16 tokens, kWarps warps, kBlocks blocks on an SM.
template <int kKeyTiles_, int kBlocks_>
struct ForwardShape {
  static constexpr int kKeyTiles = kKeyTiles_, kBlocks = kBlocks_;
  static constexpr int kWarps = 4, kThreads = kWarps * kWarp;
  static constexpr int kTokens = kKeyTiles * kProduct;
  static constexpr int kShared = 2 * Rows64<Bf16>::bytes(kTokens);
};
using Forward64 = ForwardShape<4, 4>;
using Forward208 = ForwardShape<13, 3>;
using Forward256 = ForwardShape<16, 2>;

// Turns scores into weights, not yet divided by their sum, packed as left operands. largest, total:
// of rows g and g + 8, in units of log2(e).
template <class T, int kKeyTiles>
LK_DEVICE void softmax(int lane, float (&scores)[kKeyTiles][2][4], int tokens, float scale,
                       uint32_t (&weights)[kKeyTiles][4], float (&largest)[2], float (&total)[2]) {
  largest[0] = largest[1] = -INFINITY;
#pragma unroll
  for (int j = 0; j < kKeyTiles; ++j) {
    const bool cut = (j + 1) * kProduct > tokens;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      float& score = scores[j][i / 4][i % 4];
      score *= scale;
      if (cut && j * kProduct + i / 4 * 8 + lane % 4 * 2 + i % 2 >= tokens) score = -INFINITY;
      largest[i % 4 / 2] = fmaxf(largest[i % 4 / 2], score);
    }
  }
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    largest[r] = max_of_lanes<4>(largest[r]);
    total[r] = 0;
  }
#pragma unroll
  for (int j = 0; j < kKeyTiles; ++j) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      float& score = scores[j][i / 4][i % 4];
      score = exp2_fast(score - largest[i % 4 / 2]);
      total[i % 4 / 2] += score;
    }
    pack_left<T>(scores[j], weights[j]);
  }
#pragma unroll
  for (int r = 0; r < 2; ++r) total[r] = sum_of_lanes<4>(total[r]);
}

template <class T, class S>
__global__ void __launch_bounds__(S::kThreads, S::kBlocks) short_forward(ForwardHeads<T> a) {
  const Rows64<T> keys = {0}, values = {Rows64<T>::bytes(S::kTokens)};
  copy_rows(keys, S::kTokens, a.k.of(blockIdx.y, blockIdx.x), 0, a.tokens, kDim);
  copy_async_commit();
  copy_rows(values, S::kTokens, a.v.of(blockIdx.y, blockIdx.x), 0, a.tokens, kDim);
  copy_async_commit();

  int block = 0;  // the first query of the block's warps
  const auto first = [&] { return block + fresh(warp_of_block()) * kProduct; };  // of the warp
  do {  // every warp at least once: all meet at the barriers
    const bool waiting = block == 0;
    int lane = fresh(lane_of_warp());
    uint32_t queries[kSteps][4], weights[S::kKeyTiles][4];
    float largest[2], total[2];
    load_left(lane, a.q.of(fresh(blockIdx.y), fresh(blockIdx.x)), first(), a.tokens, kDim, queries);
    if (waiting) {
      copy_async_wait<1>();
      barrier();  // the keys are there
    }
    float scores[S::kKeyTiles][2][4];
#pragma unroll
    for (int j = 0; j < S::kKeyTiles; ++j) {
      multiply_rows(lane, queries, keys, j * kProduct, scores[j]);
    }
    lane = fresh(lane_of_warp());
    softmax<T>(lane, scores, a.tokens, a.scale * kLog2E, weights, largest, total);
    if (waiting) {
      copy_async_wait<0>();
      barrier();  // the values are there
    }
    lane = fresh(lane_of_warp());
    float sums[kTiles][4];
    clear(sums);
#pragma unroll
    for (int j = 0; j < S::kKeyTiles; ++j) {
      add_rows(lane, weights[j], values, j * kProduct, 0, sums);
    }
    const HeadRows<T> out = a.out.of(fresh(blockIdx.y), fresh(blockIdx.x));
    store_rows(lane, out, first(), 0, a.tokens, kDim, sums, {1 / total[0], 1 / total[1]});
    if (a.log_sum_exp.data && lane % 4 == 0) {
      const HeadRows<float> log_sum_exp = a.log_sum_exp.of(fresh(blockIdx.y), fresh(blockIdx.x));
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const int token = first() + lane / 4 + 8 * r;
        if (token < a.tokens) {
          store(log_sum_exp.row(token), (largest[r] + log2f(total[r])) * kLn2);
        }
      }
    }
    block += S::kWarps * kProduct;
  } while (first() < a.tokens);
}

// ---- Backward

// A launch shape: up to kTokens_ tokens, a warp for 16 of them.
template <int kTokens_>
struct BackwardShape {
  static constexpr int kTokens = kTokens_, kWarps = kTokens / kProduct, kThreads = kWarps * kWarp;
  // Registers are handed out to warps in fours: a block of kWarps gets as many a thread as one of
  // kLaunched.
  static constexpr int kLaunched = (kWarps + 3) / 4 * 4 * kWarp;

  // Places in shared memory: of the tiles q, d_out and k, of log-sum-exp times log2(e) and D for each
  // query, and of the strip.
  static constexpr int kQ = 0, kDOut = kTokens * kDim * 2, kK = 2 * kDOut;
  static constexpr int kLogSumExp = 3 * kDOut, kWeighted = kLogSumExp + kTokens * int{sizeof(float)};
  static constexpr int kStrip = kWeighted + kTokens * int{sizeof(float)};

  // Bytes from key to key of a strip, and all shared memory.
  __host__ __device__ static constexpr int pitch(int strip_tiles) {
    return (2 * strip_tiles + 1) * 16;
  }
  static constexpr int shared_bytes(int strip_tiles) {
    return kStrip + kTokens * pitch(strip_tiles);
  }
  // Tiles of 16 queries in a strip: the fewest strips that fit, all of about one height; 0 where none
  // fits.
  static constexpr int strip_tiles(int64_t tokens, int64_t available) {
    const int tiles = static_cast<int>((tokens + kProduct - 1) / kProduct);
    for (int strips = 1; strips <= tiles; ++strips) {
      const int height = (tiles + strips - 1) / strips;
      if (shared_bytes(height) <= available) return height;
    }
    return 0;
  }
};
using Backward64 = BackwardShape<64>;
using Backward208 = BackwardShape<208>;
using Backward256 = BackwardShape<256>;
static_assert(Backward64::strip_tiles(64, kSmallestShared) == 4);
static_assert(Backward208::strip_tiles(197, kSmallestShared) == 2);  // sm_86, 89, 120
static_assert(Backward208::strip_tiles(197, 163 * 1024) == 7);       // sm_80
static_assert(Backward208::strip_tiles(197, 227 * 1024) == 13);      // sm_90, 100
static_assert(Backward256::strip_tiles(256, kSmallestShared) == 0);
static_assert(Backward256::strip_tiles(256, 163 * 1024) == 6);
static_assert(Backward256::strip_tiles(256, 227 * 1024) == 8);

// Fills the memory but for the strip. Each thread copies 4 chunks of each tensor and multiplies the
// chunks of d_out, which it may read as soon as its own copies have arrived, with those of out.
template <class T, class S>
LK_DEVICE void prepare(const BackwardHeads<T>& a) {
  constexpr int kMine = 4, kRowsAtOnce = S::kTokens / kMine;
  constexpr Rows64<T> q_tile = {S::kQ}, d_out_tile = {S::kDOut}, k_tile = {S::kK};
  const int row = threadIdx.x / Rows64<T>::kChunks, chunk = threadIdx.x % Rows64<T>::kChunks;
  const HeadRows<const T> q = a.q.of(blockIdx.y, blockIdx.x), k = a.k.of(blockIdx.y, blockIdx.x);
  const HeadRows<const T> out = a.out.of(blockIdx.y, blockIdx.x);
  const HeadRows<const T> d_out = a.d_out.of(blockIdx.y, blockIdx.x);
  Words outs[kMine];
#pragma unroll
  for (int i = 0; i < kMine; ++i) {
    const int token = row + i * kRowsAtOnce;
    const bool inside = token < a.tokens;
    copy_async16(d_out_tile.at_chunk(token, chunk), d_out.row(inside ? token : 0) + chunk * kChunk,
                 inside);
    outs[i] = inside ? load((out.row(token) + chunk * kChunk).template as<const Words>()) : Words{};
  }
  copy_async_commit();
#pragma unroll
  for (int i = 0; i < kMine; ++i) {
    const int token = row + i * kRowsAtOnce;
    const bool inside = token < a.tokens;
    const int source = inside ? token : 0;
    copy_async16(q_tile.at_chunk(token, chunk), q.row(source) + chunk * kChunk, inside);
    copy_async16(k_tile.at_chunk(token, chunk), k.row(source) + chunk * kChunk, inside);
  }
  copy_async_commit();
  // Queries beyond the last weigh nothing: 2^(0 - infinity).
  const int query = threadIdx.x;
  if (query < S::kTokens) {
    const HeadRows<float> log_sum_exp = a.log_sum_exp.of(blockIdx.y, blockIdx.x);
    const float value = query < a.tokens ? load(log_sum_exp.row(query)) * kLog2E : INFINITY;
    store(shared_at<float>(S::kLogSumExp) + query, value);
  }
  copy_async_wait<1>();
#pragma unroll
  for (int i = 0; i < kMine; ++i) {
    const int token = row + i * kRowsAtOnce;
    const Words d_outs = load(d_out_tile.at_chunk(token, chunk).template as<Words>());
    float sum = 0;
#pragma unroll
    for (int w = 0; w < 4; ++w) {
      sum += low_of_pair<T>(outs[i].v[w]) * low_of_pair<T>(d_outs.v[w]);
      sum += high_of_pair<T>(outs[i].v[w]) * high_of_pair<T>(d_outs.v[w]);
    }
    sum = sum_of_lanes<Rows64<T>::kChunks>(sum);
    if (chunk == 0) store(shared_at<float>(S::kWeighted) + token, sum);
  }
  copy_async_wait<0>();
  barrier();  // all of it is there
}

// Turns 16 keys' scoresᵀ with 16 queries from `query` on into weightsᵀ and d_scoresᵀ (without the
// scale), the latter in the place of d_weightsᵀ. inside: whether keys g and g + 8 exist.
template <class S>
LK_DEVICE void weigh(int lane, int query, float scale, const bool (&inside)[2],
                     float (&scores)[2][4], float (&d_weights)[2][4]) {
  const int place = (query + lane % 4 * 2) * int{sizeof(float)};
#pragma unroll
  for (int n = 0; n < 2; ++n) {
    const auto log_sum_exp = load(shared_at<Pack<float, 2>>(S::kLogSumExp + place + 32 * n));
    const auto weighted = load(shared_at<Pack<float, 2>>(S::kWeighted + place + 32 * n));
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float weight =
          inside[i / 2] ? exp2_fast(scores[n][i] * scale - log_sum_exp.v[i % 2]) : 0;
      scores[n][i] = weight;
      d_weights[n][i] = weight * (d_weights[n][i] - weighted.v[i % 2]);
    }
  }
}

// d_q of the strip's queries [first, last), counted in tiles: the block's warps share out pieces of
// 16 queries x 16 kPairs columns.
template <class T, class S, int kPairs>
LK_DEVICE void make_d_q(const BackwardHeads<T>& a, int first, int last, int pitch) {
  constexpr int kPieces = kSteps / kPairs;
  constexpr Rows64<T> k_tile = {S::kK};
  const int thread = fresh(threadIdx.x), lane = thread % kWarp;
  const HeadRows<T> d_q = a.d_q.of(fresh(blockIdx.y), fresh(blockIdx.x));
#pragma unroll 1
  for (int piece = thread / kWarp; piece < (last - first) * kPieces; piece += S::kWarps) {
    const int tile = piece / kPieces, chunk = piece % kPieces * kPairs * 2;
    float sums[2 * kPairs][4];
    clear(sums);
#pragma unroll 1
    for (int key = 0; key < a.tokens; key += kProduct) {
      // d_scores from d_scoresᵀ: matrices 1 and 3 are queries 8 to 15, 2 and 3 keys 8 to 15.
      const int row = key + lane % 8 + lane / 16 * 8;
      const int column = tile * kProduct + lane / 8 % 2 * 8;
      uint32_t d_scores[4];
      load_matrices_transposed(d_scores, shared_at<T>(S::kStrip + row * pitch + column * 2));
      add_rows(lane, d_scores, k_tile, key, chunk, sums);
    }
    store_rows(lane, d_q, (first + tile) * kProduct, chunk * kChunk, a.tokens, kDim, sums,
               {a.scale, a.scale});
  }
}

// One step of a warp: its keys and the 16 queries of a tile. strip_column: of the tile's first query.
template <class T, class S>
LK_DEVICE void backward_step(const BackwardHeads<T>& a, int query, int strip_column, int pitch,
                             const uint32_t (&values)[kSteps][4],
                             float (&d_k)[kTiles][4], float (&d_v)[kTiles][4]) {
  constexpr Rows64<T> q_tile = {S::kQ}, d_out_tile = {S::kDOut}, k_tile = {S::kK};
  const int thread = fresh(threadIdx.x), lane = thread % kWarp, g = lane / 4;
  const int key = thread / kWarp * kProduct;
  float scores[2][4], d_weights[2][4];
  const int left_keys = left_place(lane, k_tile, key);
  const int right_queries = right_place(lane, q_tile, query);
  clear(scores);
#pragma unroll 2  // all four at once would spill
  for (int k = 0; k < kSteps; ++k) {
    uint32_t left[4];
    load_left(k_tile, left_keys, k, left);
    multiply_step(left, q_tile, right_queries, k, scores);
  }
  multiply_rows(lane, values, d_out_tile, query, d_weights);
  weigh<S>(lane, query, a.scale * kLog2E, {key + g < a.tokens, key + g + 8 < a.tokens}, scores,
           d_weights);
  uint32_t weights[4], d_scores[4];
  pack_left<T>(scores, weights);
  pack_left<T>(d_weights, d_scores);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int row = key + g + i % 2 * 8, column = strip_column + lane % 4 * 2 + i / 2 * 8;
    store(shared_at<uint32_t>(S::kStrip + row * pitch + column * 2), d_scores[i]);
  }
  add_rows(lane, weights, d_out_tile, query, 0, d_v);
  add_rows(lane, d_scores, q_tile, query, 0, d_k);
}

template <class T, class S>
__global__ void __launch_bounds__(S::kLaunched) short_backward(BackwardHeads<T> a,
                                                               int strip_tiles) {
  const int key = warp_of_block() * kProduct, pitch = S::pitch(strip_tiles);
  const int tiles = (a.tokens + kProduct - 1) / kProduct;
  uint32_t values[kSteps][4];
  load_left(lane_of_warp(), a.v.of(blockIdx.y, blockIdx.x), key, a.tokens, kDim, values);
  prepare<T, S>(a);
  float d_k[kTiles][4], d_v[kTiles][4];
  clear(d_k);
  clear(d_v);
  int first = 0;  // tile of the strip
  while (true) {
    const int last = first + strip_tiles < tiles ? first + strip_tiles : tiles;
    if (key < a.tokens) {
#pragma unroll 1
      for (int tile = first; tile < last; ++tile) {
        backward_step<T, S>(a, tile * kProduct, (tile - first) * kProduct, pitch, values, d_k,
                            d_v);
      }
    }
    barrier();  // the strip is full
    if (last == tiles) break;
    make_d_q<T, S, 1>(a, first, last, pitch);
    barrier();  // the strip may be filled again
    first = last;
  }
  const int lane = fresh(lane_of_warp()), batch = fresh(blockIdx.y), head = fresh(blockIdx.x);
  store_rows(lane, a.d_k.of(batch, head), key, 0, a.tokens, kDim, d_k, {a.scale, a.scale});
  store_rows(lane, a.d_v.of(batch, head), key, 0, a.tokens, kDim, d_v, {1, 1});
  make_d_q<T, S, 2>(a, first, tiles, pitch);
}

template <class T, class S>
lk_status run(const Context& context, const attention::Forward& call) {
  return launch("attention_short_forward", short_forward<T, S>, context,
                {call.sizes.heads, S::kThreads, S::kShared, call.sizes.batch},
                ForwardHeads<T>(call));
}
template <class T, class S>
lk_status run(const Context& context, const attention::Backward& call) {
  const int strip_tiles = S::strip_tiles(call.sizes.tokens, context.shared_bytes);
  return launch("attention_short_backward", short_backward<T, S>, context,
                {call.sizes.heads, S::kThreads, S::shared_bytes(strip_tiles), call.sizes.batch},
                BackwardHeads<T>(call, context.workspace), strip_tiles);
}

// Calls body with the smallest of three shapes that holds the tokens.
template <class S64, class S208, class S256, class Body>
auto with_shape(int64_t tokens, const Body& body) {
  return tokens <= 64 ? body(S64{}) : tokens <= 208 ? body(S208{}) : body(S256{});
}
template <class Body>
auto with_forward_shape(int64_t tokens, const Body& body) {
  return with_shape<Forward64, Forward208, Forward256>(tokens, body);
}
template <class Body>
auto with_backward_shape(int64_t tokens, const Body& body) {
  return with_shape<Backward64, Backward208, Backward256>(tokens, body);
}

bool fits(const attention::Sizes& sizes) {
  return sizes.head_dim == kDim && sizes.tokens <= 256 && sizes.batch <= kMaxGridYZ;
}

}  // namespace

bool fits_short_forward(const Context& context, const attention::Sizes& sizes) {
  // One block of four warps alone on an SM would wait too much: two must fit. An SM has the most that
  // one block may ask for and a kilobyte, and keeps a kilobyte of each block to itself.
  constexpr int kOwn = 1024;
  return fits(sizes) && with_forward_shape(sizes.tokens, [&](auto shape) {
           return 2 * (decltype(shape)::kShared + kOwn) <= context.shared_bytes + kOwn;
         });
}

bool fits_short_backward(const Context& context, const attention::Sizes& sizes) {
  return fits(sizes) && with_backward_shape(sizes.tokens, [&](auto shape) {
           return decltype(shape)::strip_tiles(sizes.tokens, context.shared_bytes) > 0;
         });
}

lk_status attention_short_forward(const Context& context, const attention::Forward& call) {
  return with_forward_shape(call.sizes.tokens, [&](auto shape) {
    using S = decltype(shape);
    return call.dtype() == LK_BF16 ? run<Bf16, S>(context, call) : run<F16, S>(context, call);
  });
}

lk_status attention_short_backward(const Context& context, const attention::Backward& call) {
  return with_backward_shape(call.sizes.tokens, [&](auto shape) {
    using S = decltype(shape);
    return call.dtype() == LK_BF16 ? run<Bf16, S>(context, call) : run<F16, S>(context, call);
  });
}

}  // namespace lk::cuda
