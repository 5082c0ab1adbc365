// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Forward: a tile of queries against blocks of keys, scores in cache only; see README.md.
#include "attention/cpu.h"

namespace lk::LK_ISA {
namespace {

using attention::Forward;

// Keys of a block of scores: only longer sequences need their sums rescaled from block to block. Whole
// blocks of scalars.
constexpr int64_t kKeys = 1024;
static_assert(kKeys % (2 * kPanel) == 0);
// Long sequences are cut for the threads here. Each part packs the head's keys and values anew,
// which is little work beside this many queries.
constexpr int64_t kQueriesPerTask = 1024;

template <class T>
struct ForwardScratch {
  int64_t width;           // elements from row to row of sums
  float* keys;             // panels of keys, [steps over head_dim][kPanel]
  float* values;           // panels of columns, [steps over tokens][kPanel]
  float* queries;          // a tile's rows as scalars
  float* scores;           // [keys / kPanel][rows][kPanel], then their exponentials as scalars
  float* sums;             // [kTileRows][width]: out before the division
  float* largest;          // [kTileRows]: the greatest score yet, see Exponent
  float* total;            // [kTileRows]: the sum of exponentials
  int64_t elements;

  ForwardScratch(const Sizes& sizes, float* memory) : width(round_up(sizes.head_dim, kPanel)) {
    Pieces pieces(memory);
    keys = pieces.take(divide_up(sizes.tokens, kPanel) * panel_units<T>(sizes.head_dim));
    values = pieces.take(width / kPanel * panel_units<T>(sizes.tokens));
    queries = pieces.take(kTileRows * row_units<T>(sizes.head_dim));
    scores = pieces.take(kTileRows * round_up(smaller(sizes.tokens, kKeys), 2 * kPanel));
    sums = pieces.take(kTileRows * width);
    largest = pieces.take(kTileRows);
    total = pieces.take(kTileRows);
    elements = pieces.used();
  }
};

// A score's weight is 2^(factor (sign score - largest)): `largest` is the greatest of the scores times
// the scale's sign, which rounds nothing, so that its own weight is 1 however large it is.
struct Exponent {
  float sign, factor;

  explicit Exponent(float scale)
      : sign(scale < 0 ? -1.0f : 1.0f), factor(__builtin_fabsf(scale) * kLog2E) {}
};

// What scores are compared with: where all yet are -infinity, 0, so that their weights are the least
// there is, 2^-126, and no NaN that would stay in the sums.
float shift_of(float largest) { return largest == -__builtin_inff() ? 0 : largest; }

// The greatest of `keys` scores times the sign, kPanel of them every `block` elements.
float largest_of(const float* scores, int64_t block, int64_t keys, float sign) {
  Vec a = splat(scores[0]) * sign, b = a;
  for (; keys >= kPanel; keys -= kPanel, scores += block) {
    a = max(a, load(scores) * sign);
    b = max(b, load(scores + kLanes) * sign);
  }
  if (keys > 0) a = max(a, select(first_lanes(keys), load(scores) * sign, a));
  if (keys > kLanes) {
    b = max(b, select(first_lanes(keys - kLanes), load(scores + kLanes) * sign, b));
  }
  return reduce_max(max(a, b));
}

// Two panels' numbers as a row of scalars.
template <class T>
void store_scalars(const Vec (&numbers)[4], int64_t block, float* to) {
#if LK_AVX512_BF16
  if constexpr (kDepth<T> == 2) {
    store(to, round_to_pairs(numbers[0], numbers[1]));
    store(to + kLanes, round_to_pairs(numbers[2], numbers[3]));
    return;
  }
#endif
  for (int u = 0; u < 4; ++u) store(to + u / 2 * block + u % 2 * kLanes, numbers[u]);
}

// Replaces `keys` scores, kPanel of them every `block` elements, by their weights as a row of scalars,
// zero behind the last, and returns the sum.
template <class T>
float exponentials(float* scores, int64_t block, int64_t keys, Exponent exponent, float largest) {
  const float shift = shift_of(largest);
  Vec sums[4] = {};
  for (float* to = scores; keys > 0; keys -= 2 * kPanel, scores += 2 * block) {
    Vec p[4];
    for (int u = 0; u < 4; ++u) {
      p[u] = (load(scores + u / 2 * block + u % 2 * kLanes) * exponent.sign - shift) * exponent.factor;
    }
    exp2_each(p);
    for (int u = 0; u < 4; ++u) {
      if (keys < 2 * kPanel) p[u] = select(first_lanes(keys - u * kLanes), p[u], Vec{});
      sums[u] += p[u];
    }
    store_scalars<T>(p, block, to);
    to += 2 / kDepth<T> * block;
  }
  return reduce_add((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// Turns a block of scores into exponentials against the greatest score yet, row by row, and brings
// what was summed before, if anything, to the same footing. All maxima first: one row's need not
// wait for another's exponentials.
template <class T, class EachRow>
void softmax_block(const ForwardScratch<T>& scratch, int64_t rows, int64_t keys, Exponent exponent,
                   bool first, const EachRow& meanwhile) {
  const int64_t block = rows * kPanel;
  for (int64_t i = 0; i < rows; ++i) {
    const float before = scratch.largest[i];
    float now = largest_of(scratch.scores + i * kPanel, block, keys, exponent.sign);
    if (first) {
      scratch.total[i] = 0;
    } else {
      if (!(now > before)) now = before;
      Vec shrink[1] = {splat((before - shift_of(now)) * exponent.factor)};
      exp2_each(shrink);
      scratch.total[i] *= shrink[0][0];
      float* sums = scratch.sums + i * scratch.width;
      for (int64_t j = 0; j < scratch.width; j += kLanes) store(sums + j, load(sums + j) * shrink[0]);
    }
    scratch.largest[i] = now;
  }
  for (int64_t i = 0; i < rows; ++i) {
    meanwhile(i);
    scratch.total[i] +=
        exponentials<T>(scratch.scores + i * kPanel, block, keys, exponent, scratch.largest[i]);
  }
}

// Attention of a tile of queries, from `query` on, to all keys; writes out and log_sum_exp (which
// may be NULL) of the head. Meanwhile the same rows of `next` are fetched.
template <class T>
void forward_tile(const Forward& call, const ForwardScratch<T>& scratch, const HeadRowsOf<T>& q,
                  int64_t query, int64_t rows, const QkvRows<T>& next, const HeadRowsOf<T>& out,
                  float* log_sum_exp) {
  const int64_t tokens = call.sizes.tokens, d = call.sizes.head_dim, block = rows * kPanel;
  const Exponent exponent(call.scale);
  pack_rows<T>(q.row(query), q.stride, rows, d, scratch.queries);
  for (int64_t key = 0; key < tokens; key += kKeys) {
    const int64_t keys = smaller(kKeys, tokens - key);
    for (int64_t j = 0; j < keys; j += kPanel) {
      const float* panel = scratch.keys + (key + j) / kPanel * panel_units<T>(d);
      multiply_tile<T>({scratch.queries, block, panel, kPanel, steps_of<T>(d)}, rows, keys - j,
                       scratch.scores + j * rows, kPanel, false);
    }
    softmax_block(scratch, rows, keys, exponent, key == 0, [&](int64_t i) {
      if (key == 0) next.fetch_ahead(query + i, d);
    });
    for (int64_t j = 0; j < d; j += kPanel) {
      const float* panel = scratch.values + j / kPanel * panel_units<T>(tokens) + panel_units<T>(key);
      multiply_tile<T>({scratch.scores, block, panel, kPanel, steps_of<T>(keys)}, rows, d - j,
                       scratch.sums + j, scratch.width, key > 0);
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    const float largest = scratch.largest[i];
    // Scores that are all -infinity have weights too, but no answer.
    const float total = largest == shift_of(largest) ? scratch.total[i] : __builtin_nanf("");
    write_row(scratch.sums + i * scratch.width, 1 / total, d, out.row(query + i));
    if (log_sum_exp == nullptr) continue;
    log_sum_exp[query + i] = __builtin_fabsf(call.scale) * largest + __builtin_logf(total);
  }
}

// Queries [first, end) of a head. next: the head that this worker probably takes after it.
template <class T>
void forward_task(const Forward& call, const ForwardScratch<T>& scratch, int64_t head, int64_t first,
                  int64_t end, int64_t next) {
  const Sizes& sizes = call.sizes;
  const QkvRows<T> in(call.qkv, sizes, head), ahead(call.qkv, sizes, next);
  const HeadRowsOf<T> out = head_of_out<T>(call.out, sizes, head);
  float* log_sum_exp =
      call.log_sum_exp ? head_of_log_sum_exp(call.log_sum_exp, sizes, head) : nullptr;
  pack_all_turned(in.k, sizes.tokens, sizes.head_dim, scratch.keys);
  pack_all_columns(in.v, sizes.tokens, sizes.head_dim, scratch.values);
  const int64_t tiles = divide_up(end - first, kTileRows);
  for (int64_t t = 0; t < tiles; ++t) {
    const Range rows = part(end - first, t, tiles);
    forward_tile(call, scratch, in.q, first + rows.first, rows.size(), ahead, out, log_sum_exp);
  }
}

}  // namespace

size_t attention_forward_workspace(const Context& context, const Forward& call) {
  size_t bytes = 0;
  with_elements(call.dtype(), [&](auto element) {
    bytes = workspace_of<ForwardScratch<decltype(element)>>(context, call.sizes);
  });
  return bytes;
}

lk_status attention_forward(const Context& context, const Forward& call) {
  const Sizes& sizes = call.sizes;
  describe_shape(sizes);
  const int64_t parts = divide_up(sizes.tokens, kQueriesPerTask);
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    context.pool->run(sizes.batch * sizes.heads * parts, [&](int64_t task, int worker) {
      const TileRegisters registers;
      const Range queries = part(sizes.tokens, task % parts, parts);
      forward_task<T>(call, scratch_of<ForwardScratch<T>>(context, sizes, worker), task / parts,
                      queries.first, queries.last, (task + 1) / parts);
    });
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
