// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Blocks of query rows against blocks of keys, scores in cache only; see README.md.
#include "attention/tiles.h"
#include "common/loops.h"
#include "cpu_operations.h"

namespace lk::LK_ISA {
namespace {

using namespace attention;

// Queries and keys of a block of scores. Forward, a block is read three times over and best stays in
// L1 cache; only sequences longer than kForwardKeys need their sums rescaled from block to block.
constexpr int64_t kForwardQueries = 12, kForwardKeys = 1024;
// Backward, more queries a block mean fewer trips of d_keys and d_values through the registers.
// Blocks of keys are whole tiles too, for they are rows of these.
constexpr int64_t kBackwardQueries = 48, kBackwardKeys = 384;
// Long sequences are cut for the threads here. Each part packs the head's keys and values anew,
// which is little work beside this many queries.
constexpr int64_t kQueriesPerTask = 1024;

static_assert(kForwardQueries % kTileRows == 0 && kForwardKeys % kPanel == 0);
static_assert(kBackwardQueries % kTileRows == 0 && kBackwardKeys % kPanel == 0 &&
              kBackwardKeys % kTileRows == 0);

// From row to row of scores for blocks of up to `keys` keys. Whole tiles of them may be read as
// columns; an odd number of cache lines spreads a column over the cache.
int64_t score_stride(int64_t keys) {
  return divide_up(round_up(keys, kTileRows), 16) / 2 * 32 + 16;
}

// Hands out pieces of a worker's scratch memory, each on cache lines of its own; without memory it
// counts how much there must be.
class Pieces {
 public:
  explicit Pieces(float* memory) : memory_(memory) {}
  float* take(int64_t elements) {
    float* piece = memory_ == nullptr ? nullptr : memory_ + used_;
    used_ += round_up(elements, 16);
    return piece;
  }
  int64_t used() const { return used_; }

 private:
  float* memory_;
  int64_t used_ = 0;
};

Int first_lanes(int64_t n) { return lane_numbers() < static_cast<int32_t>(n); }

float largest_of(const float* scores, int64_t keys) {
  Vec a = splat(scores[0]), b = a;
  int64_t j = 0;
  for (; j + 2 * kLanes <= keys; j += 2 * kLanes) {
    a = max(a, load(scores + j));
    b = max(b, load(scores + j + kLanes));
  }
  if (j + kLanes <= keys) {
    b = max(b, load(scores + j));
    j += kLanes;
  }
  if (j < keys) a = max(a, select(first_lanes(keys - j), load(scores + j), b));
  return reduce_max(max(a, b));
}

// Replaces `keys` scores by e^(score - shift), the padding of their last vector by zero, and
// returns the sum.
float exponentials(float* scores, int64_t keys, float shift) {
  constexpr int kTogether = 4;
  Vec sums[kTogether] = {};
  int64_t j = 0;
  for (; j + kTogether * kLanes <= keys; j += kTogether * kLanes) {
    Vec p[kTogether];
    for (int u = 0; u < kTogether; ++u) p[u] = load(scores + j + u * kLanes) - shift;
    exp_each(p);
    for (int u = 0; u < kTogether; ++u) {
      store(scores + j + u * kLanes, p[u]);
      sums[u] += p[u];
    }
  }
  for (; j < keys; j += kLanes) {
    const Vec p = select(first_lanes(keys - j), exp(load(scores + j) - shift), Vec{});
    store(scores + j, p);
    sums[0] += p;
  }
  return reduce_add((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// to[i] = factor * from[i], for rows of packed results.
template <class T>
void write_row(const float* from, float factor, int64_t columns, T* to) {
  int64_t j = 0;
  for (; j + kLanes <= columns; j += kLanes) store(to + j, load(from + j) * factor);
  if (j < columns) store_first(to + j, load(from + j) * factor, columns - j);
}

// Asks for row i before it is needed: a head's rows lie far apart, which the processor's own guesses
// do not follow. The requests must come in small helpings, for those that find no room are dropped;
// and inline, for the compiler takes a function of nothing else as having no effect.
template <class T>
[[gnu::always_inline]] inline void fetch_ahead(const HeadRowsOf<T>& rows, int64_t i,
                                               int64_t columns) {
  if (rows.data == nullptr) return;
  for (int64_t j = 0; j < columns; j += static_cast<int64_t>(64 / sizeof(T))) __builtin_prefetch(rows.row(i) + j, 0, 2);
}

// The rows of one head, or none when the head is past the last.
template <class T>
struct QkvRows {
  HeadRowsOf<T> q, k, v;

  QkvRows(const View& qkv, const Sizes& sizes, int64_t head) : q{}, k{}, v{} {
    if (head >= sizes.batch * sizes.heads) return;
    const int64_t b = head / sizes.heads, h = head % sizes.heads;
    q = head_of_qkv<T>(qkv, kQuery, b, h);
    k = head_of_qkv<T>(qkv, kKey, b, h);
    v = head_of_qkv<T>(qkv, kValue, b, h);
  }
  [[gnu::always_inline]] void fetch_ahead(int64_t i, int64_t columns) const {
    LK_ISA::fetch_ahead(q, i, columns);
    LK_ISA::fetch_ahead(k, i, columns);
    LK_ISA::fetch_ahead(v, i, columns);
  }
};
template <class T>
HeadRowsOf<T> head_of_out(const View& out, const Sizes& sizes, int64_t head) {
  if (head >= sizes.batch * sizes.heads) return {};
  return attention::head_of_out<T>(out, head / sizes.heads, head % sizes.heads);
}
float* head_of_log_sum_exp(const View& view, const Sizes& sizes, int64_t head) {
  return attention::head_of_log_sum_exp(view, head / sizes.heads, head % sizes.heads);
}

// ---- Forward

struct ForwardScratch {
  int64_t head_dim;
  int64_t width;           // elements from row to row of values, queries, sums
  int64_t score_row;       // of scores
  float* keys;             // right operand: transposed keys
  float* values;           // [tokens][width]
  float* queries;          // [kForwardQueries][width], times scale
  float* scores;           // [kForwardQueries][score_row], then their exponentials
  float* sums;             // [kForwardQueries][width]: out before the division
  float *largest, *total;  // [kForwardQueries]: the greatest score yet, the sum of exponentials
  int64_t elements;

  ForwardScratch(const Sizes& sizes, float* memory) {
    head_dim = sizes.head_dim;
    width = round_up(sizes.head_dim, 16);
    score_row = score_stride(smaller(sizes.tokens, kForwardKeys));
    Pieces pieces(memory);
    keys = pieces.take(round_up(sizes.tokens, kPanel) * sizes.head_dim);
    values = pieces.take(sizes.tokens * width);
    queries = pieces.take(kForwardQueries * width);
    scores = pieces.take(kForwardQueries * score_row);
    sums = pieces.take(kForwardQueries * width);
    largest = pieces.take(kForwardQueries);
    total = pieces.take(kForwardQueries);
    elements = pieces.used();
  }
};

// Turns a block of scores into exponentials against the greatest score yet, row by row, and brings
// what was summed before, if anything, to the same footing. All maxima first: one row's need not
// wait for another's exponentials.
template <class EachRow>
void softmax_block(const ForwardScratch& scratch, int64_t rows, int64_t keys, bool first,
                   const EachRow& meanwhile) {
  for (int64_t i = 0; i < rows; ++i) {
    const float before = scratch.largest[i];
    float now = largest_of(scratch.scores + i * scratch.score_row, keys);
    if (first) {
      scratch.total[i] = 0;
    } else {
      if (!(now > before)) now = before;
      const float factor = exp(splat(before - now))[0];
      scratch.total[i] *= factor;
      float* sums = scratch.sums + i * scratch.width;
      for (int64_t j = 0; j < scratch.head_dim; j += kLanes) store(sums + j, load(sums + j) * factor);
    }
    scratch.largest[i] = now;
  }
  for (int64_t i = 0; i < rows; ++i) {
    meanwhile(i);
    scratch.total[i] += exponentials(scratch.scores + i * scratch.score_row, keys,
                                     scratch.largest[i]);
  }
}

// Attention of up to kForwardQueries queries, from `query` on, to all keys; writes out and
// log_sum_exp (which may be NULL) of the head. Meanwhile the same rows of `next` are fetched.
template <class T>
void forward_block(const Forward& call, const ForwardScratch& scratch, const HeadRowsOf<T>& q,
                   int64_t query, int64_t rows, const QkvRows<T>& next, const HeadRowsOf<T>& out,
                   float* log_sum_exp) {
  const int64_t tokens = call.sizes.tokens, d = call.sizes.head_dim;
  pack_rows(q.row(query), q.stride, rows, d, call.scale, round_up(rows, kTileRows),
            scratch.queries, scratch.width);
  for (int64_t key = 0; key < tokens; key += kForwardKeys) {
    const int64_t keys = smaller(kForwardKeys, tokens - key);
    multiply({scratch.queries, scratch.width, 1}, {scratch.keys + key * d, kPanel, d * kPanel}, d,
             false, scratch.scores, scratch.score_row, rows, divide_up(keys, kLanes));
    softmax_block(scratch, rows, keys, key == 0, [&](int64_t i) {
      if (key == 0) next.fetch_ahead(query + i, d);
    });
    multiply({scratch.scores, scratch.score_row, 1},
             {scratch.values + key * scratch.width, scratch.width, kPanel}, keys, key > 0,
             scratch.sums, scratch.width, rows, divide_up(d, kLanes));
  }
  for (int64_t i = 0; i < rows; ++i) {
    const float total = scratch.total[i];
    write_row(scratch.sums + i * scratch.width, 1 / total, d, out.row(query + i));
    if (log_sum_exp == nullptr) continue;
    log_sum_exp[query + i] = scratch.largest[i] + __builtin_logf(total);
  }
}

// Queries [first, end) of a head. next: the head that this worker probably takes after it.
template <class T>
void forward_task(const Forward& call, const ForwardScratch& scratch, int64_t head, int64_t first,
                  int64_t end, int64_t next) {
  const Sizes& sizes = call.sizes;
  const QkvRows<T> in(call.qkv, sizes, head), ahead(call.qkv, sizes, next);
  const HeadRowsOf<T> out = head_of_out<T>(call.out, sizes, head);
  float* log_sum_exp =
      call.log_sum_exp ? head_of_log_sum_exp(call.log_sum_exp, sizes, head) : nullptr;
  pack_transposed(in.k.data, in.k.stride, sizes.tokens, sizes.head_dim, scratch.keys);
  pack_rows(in.v.data, in.v.stride, sizes.tokens, sizes.head_dim, 1, sizes.tokens, scratch.values,
            scratch.width);
  for (int64_t query = first; query < end; query += kForwardQueries) {
    forward_block(call, scratch, in.q, query, smaller(kForwardQueries, end - query), ahead, out,
                  log_sum_exp);
  }
}

// ---- Backward

struct BackwardScratch {
  int64_t width;             // elements from row to row of everything [tokens][width]
  int64_t score_row;         // of weights and d_scores
  float *keys_transposed, *values_transposed;  // right operands
  float *queries;            // [tokens][width], times scale
  float *keys, *d_out;       // [tokens][width]
  float *d_queries, *d_keys, *d_values;  // [tokens in whole tiles][width]
  float *weights, *d_scores;  // [kBackwardQueries][score_row]
  float *weighted;           // [tokens]: d_out · out a row
  int64_t elements;

  BackwardScratch(const Sizes& sizes, float* memory) {
    width = round_up(sizes.head_dim, 16);
    score_row = score_stride(smaller(sizes.tokens, kBackwardKeys));
    const int64_t rows = round_up(sizes.tokens, kTileRows) * width;
    const int64_t transposed = round_up(sizes.tokens, kPanel) * sizes.head_dim;
    Pieces pieces(memory);
    keys_transposed = pieces.take(transposed);
    values_transposed = pieces.take(transposed);
    queries = pieces.take(rows);
    keys = pieces.take(rows);
    d_out = pieces.take(rows);
    d_queries = pieces.take(rows);
    d_keys = pieces.take(rows);
    d_values = pieces.take(rows);
    weights = pieces.take(kBackwardQueries * score_row);
    d_scores = pieces.take(kBackwardQueries * score_row);
    weighted = pieces.take(sizes.tokens);
    elements = pieces.used();
  }
};

// D = rowsum(d_out ∘ out).
template <class T>
void sum_weighted(HeadRowsOf<T> out, HeadRowsOf<T> d_out, int64_t tokens, int64_t d, float* weighted) {
  for (int64_t i = 0; i < tokens; ++i) {
    Vec sum{};
    for (int64_t j = 0; j < d; j += kLanes) {
      sum += load_up_to(out.row(i) + j, d - j) * load_up_to(d_out.row(i) + j, d - j);
    }
    weighted[i] = reduce_add(sum);
  }
}

// d_scores = weights ∘ (d_weights - D), in the place of d_weights.
void scores_gradient(const float* weights, int64_t keys, float weighted, float* d_scores) {
  for (int64_t j = 0; j < keys; j += kLanes) {
    store(d_scores + j, load(weights + j) * (load(d_scores + j) - weighted));
  }
}

// The inputs of a head besides the log-sum-exp, or none when the head is past the last.
template <class T>
struct BackwardInputs {
  QkvRows<T> in;
  HeadRowsOf<T> out, d_out;

  BackwardInputs(const Backward& call, int64_t head)
      : in(call.qkv, call.sizes, head),
        out(head_of_out<T>(call.out, call.sizes, head)),
        d_out(head_of_out<T>(call.d_out, call.sizes, head)) {}
  [[gnu::always_inline]] void fetch_ahead(int64_t i, int64_t columns) const {
    in.fetch_ahead(i, columns);
    LK_ISA::fetch_ahead(out, i, columns);
    LK_ISA::fetch_ahead(d_out, i, columns);
  }
};

// One block of queries against one block of keys; while the keys are the first block, the same rows
// of `next` as the queries are fetched.
template <class T>
void backward_block(const BackwardScratch& s, int64_t d, const float* log_sum_exp, int64_t query,
                    int64_t rows, int64_t key, int64_t keys,
                    const BackwardInputs<T>& next) {
  const int64_t width = s.width, key_vectors = divide_up(keys, kLanes),
                vectors = divide_up(d, kLanes);
  const auto rows_as_left = [&](const float* data) { return Left{data + query * width, width, 1}; };
  const auto rows_as_right = [&](const float* data, int64_t first) {
    return Right{data + first * width, width, kPanel};
  };
  multiply(rows_as_left(s.queries), {s.keys_transposed + key * d, kPanel, d * kPanel}, d, false,
           s.weights, s.score_row, rows, key_vectors);
  multiply(rows_as_left(s.d_out), {s.values_transposed + key * d, kPanel, d * kPanel}, d, false,
           s.d_scores, s.score_row, rows, key_vectors);
  for (int64_t i = 0; i < rows; ++i) {
    if (key == 0) next.fetch_ahead(query + i, d);
    exponentials(s.weights + i * s.score_row, keys, log_sum_exp[query + i]);
    scores_gradient(s.weights + i * s.score_row, keys, s.weighted[query + i],
                    s.d_scores + i * s.score_row);
  }
  multiply({s.weights, 1, s.score_row}, rows_as_right(s.d_out, query), rows, query > 0,
           s.d_values + key * width, width, keys, vectors);
  multiply({s.d_scores, 1, s.score_row}, rows_as_right(s.queries, query), rows, query > 0,
           s.d_keys + key * width, width, keys, vectors);
  multiply({s.d_scores, s.score_row, 1}, rows_as_right(s.keys, key), keys, key > 0,
           s.d_queries + query * width, width, rows, vectors);
}

// next: the head that this worker probably takes after `head`.
template <class T>
void backward_task(const Backward& call, const BackwardScratch& scratch, int64_t head,
                   int64_t next) {
  const int64_t tokens = call.sizes.tokens, d = call.sizes.head_dim, width = scratch.width;
  const int64_t tile_rows = round_up(tokens, kTileRows);
  const BackwardInputs<T> inputs(call, head), ahead(call, next);
  const HeadRowsOf<T> &q = inputs.in.q, &k = inputs.in.k, &v = inputs.in.v, &d_out = inputs.d_out;
  pack_transposed(k.data, k.stride, tokens, d, scratch.keys_transposed);
  pack_transposed(v.data, v.stride, tokens, d, scratch.values_transposed);
  pack_rows(q.data, q.stride, tokens, d, call.scale, tile_rows, scratch.queries, width);
  pack_rows(k.data, k.stride, tokens, d, 1, tile_rows, scratch.keys, width);
  pack_rows(d_out.data, d_out.stride, tokens, d, 1, tile_rows, scratch.d_out, width);
  sum_weighted(inputs.out, d_out, tokens, d, scratch.weighted);

  const float* log_sum_exp = head_of_log_sum_exp(call.log_sum_exp, call.sizes, head);
  for (int64_t key = 0; key < tokens; key += kBackwardKeys) {
    for (int64_t query = 0; query < tokens; query += kBackwardQueries) {
      backward_block(scratch, d, log_sum_exp, query, smaller(kBackwardQueries, tokens - query), key,
                     smaller(kBackwardKeys, tokens - key), ahead);
    }
  }
  const QkvRows<T> gradients(call.d_qkv, call.sizes, head);
  for (int64_t i = 0; i < tokens; ++i) {
    write_row(scratch.d_queries + i * width, call.scale, d, gradients.q.row(i));
    write_row(scratch.d_keys + i * width, 1, d, gradients.k.row(i));
    write_row(scratch.d_values + i * width, 1, d, gradients.v.row(i));
  }
}

void describe_shape(const Sizes& sizes) {
  const Size list[] = {{"batch", sizes.batch},
                       {"tokens", sizes.tokens},
                       {"heads", sizes.heads},
                       {"head_dim", sizes.head_dim}};
  lk::describe_sizes(list, 4);
}

// A worker's part of the workspace.
template <class Scratch>
Scratch scratch_of(const Context& context, const Sizes& sizes, int worker) {
  const int64_t elements = Scratch(sizes, nullptr).elements;
  return Scratch(sizes, static_cast<float*>(context.workspace) + worker * elements);
}
template <class Scratch>
size_t workspace_of(const Context& context, const Sizes& sizes) {
  const size_t elements = static_cast<size_t>(Scratch(sizes, nullptr).elements);
  return elements * context.pool->threads() * sizeof(float);
}

}  // namespace

size_t attention_forward_workspace(const Context& context, const Forward& call) {
  return workspace_of<ForwardScratch>(context, call.sizes);
}

lk_status attention_forward(const Context& context, const Forward& call) {
  const Sizes& sizes = call.sizes;
  describe_shape(sizes);
  const int64_t parts = divide_up(sizes.tokens, kQueriesPerTask);
  const int64_t queries = round_up(divide_up(sizes.tokens, parts), kTileRows);
  with_elements(call.dtype(), [&](auto element) {
    context.pool->run(sizes.batch * sizes.heads * parts, [&](int64_t task, int worker) {
      const int64_t first = task % parts * queries, next = task + context.pool->threads();
      forward_task<decltype(element)>(call, scratch_of<ForwardScratch>(context, sizes, worker),
                                      task / parts, first, smaller(first + queries, sizes.tokens),
                                      next / parts);
    });
  });
  return LK_OK;
}

size_t attention_backward_workspace(const Context& context, const Backward& call) {
  return workspace_of<BackwardScratch>(context, call.sizes);
}

lk_status attention_backward(const Context& context, const Backward& call) {
  const Sizes& sizes = call.sizes;
  describe_shape(sizes);
  with_elements(call.dtype(), [&](auto element) {
    context.pool->run(sizes.batch * sizes.heads, [&](int64_t head, int worker) {
      backward_task<decltype(element)>(call, scratch_of<BackwardScratch>(context, sizes, worker),
                                       head, head + context.pool->threads());
    });
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
