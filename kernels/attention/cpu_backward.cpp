// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Backward: tiles of keys against panels of queries, everything between turned, with keys as rows; see
// README.md.
#include "attention/cpu.h"

namespace lk::LK_ISA {
namespace {

using attention::Backward;

// Queries that a tile of keys meets before its sums of d_keys and d_values rest in memory, and keys
// between two sums of d_queries. Their d_scores stay in the second-level cache, 256 KB of f32; and a
// tile's weights and d_scores nearly in the first. Whole blocks of scalars.
constexpr int64_t kQueries = 512, kKeys = 128;
static_assert(kQueries % (2 * kPanel) == 0 && kKeys % (2 * kPanel) == 0);
// Tiles begin at even keys, which may be pairs in d_scores.
static_assert(kTileRows % 2 == 0);

template <class T>
struct BackwardScratch {
  int64_t width;              // elements from row to row of d_keys and d_values
  int64_t tokens;             // in whole panels
  // Vector operands: panels of queries, [steps over head_dim][kPanel] ...
  float *queries_turned, *d_out_turned;
  // ... and panels of columns, [steps over tokens][kPanel].
  float *queries, *d_out;
  float* keys_turned;         // scalars, [blocks over tokens][head_dim][kPanel]
  float *keys, *values;       // a tile's rows as scalars
  float *weights, *d_scores;  // a tile of keys' rows as scalars: [blocks over queries][rows][kPanel];
                              // d_scores of pairs alone
  float* d_scores_turned;     // panels of queries, [steps over kKeys][kPanel]
  float *d_keys, *d_values;   // [kKeys][width]
  float* d_queries;           // turned: panels of queries, [head_dim][kPanel]
  float *log_sum_exp, *weighted;  // [tokens in whole panels]; weighted: d_out · out a row
  int64_t elements;

  BackwardScratch(const Sizes& sizes, float* memory)
      : width(round_up(sizes.head_dim, kPanel)), tokens(round_up(sizes.tokens, kPanel)) {
    const int64_t d = sizes.head_dim, panels = tokens / kPanel;
    const int64_t block = round_up(smaller(sizes.tokens, kQueries), 2 * kPanel);
    Pieces pieces(memory);
    queries_turned = pieces.take(panels * panel_units<T>(d));
    d_out_turned = pieces.take(panels * panel_units<T>(d));
    queries = pieces.take(width / kPanel * panel_units<T>(sizes.tokens));
    d_out = pieces.take(width / kPanel * panel_units<T>(sizes.tokens));
    keys_turned = pieces.take(row_units<T>(sizes.tokens) * d);
    keys = pieces.take(kTileRows * row_units<T>(d));
    values = pieces.take(kTileRows * row_units<T>(d));
    weights = pieces.take(kTileRows * block);
    d_scores = pieces.take(kDepth<T> == 2 ? kTileRows * block : 0);
    d_scores_turned = pieces.take(block / kPanel * panel_units<T>(kKeys));
    d_keys = pieces.take(kKeys * width);
    d_values = pieces.take(kKeys * width);
    d_queries = pieces.take(tokens * d);
    log_sum_exp = pieces.take(tokens);
    weighted = pieces.take(tokens);
    elements = pieces.used();
  }
};

// The inputs of a head besides the log-sum-exp, or none when the head is past the last.
template <class T>
struct BackwardInputs {
  QkvRows<T> in;
  HeadRowsOf<T> out, d_out;

  BackwardInputs(const Backward& call, int64_t head)
      : in(call.qkv, call.sizes, head),
        out(head_of_out<T>(call.out, call.sizes, head)),
        d_out(head_of_out<T>(call.d_out, call.sizes, head)) {}
  void fetch_ahead(int64_t i, int64_t columns) const {
    in.fetch_ahead(i, columns);
    LK_ISA::fetch_ahead(out, i, columns);
    LK_ISA::fetch_ahead(d_out, i, columns);
  }
};

// What a head's products read, but for the rows of keys and values, and each query's numbers.
template <class T>
void pack_head(const Backward& call, int64_t head, const BackwardInputs<T>& inputs,
               const BackwardScratch<T>& s) {
  const int64_t tokens = call.sizes.tokens, d = call.sizes.head_dim;
  pack_all_turned(inputs.in.q, tokens, d, s.queries_turned);
  pack_all_turned(inputs.d_out, tokens, d, s.d_out_turned);
  pack_all_columns(inputs.in.q, tokens, d, s.queries);
  pack_all_columns(inputs.d_out, tokens, d, s.d_out);
  for (int64_t i = 0; i < tokens; i += kPanel * kDepth<T>) {
    pack_column_scalars<T>(inputs.in.k.row(i), inputs.in.k.stride,
                           smaller(kPanel * kDepth<T>, tokens - i), d, nullptr,
                           s.keys_turned + steps_of<T>(i) * d);
  }
  const float* log_sum_exp = head_of_log_sum_exp(call.log_sum_exp, call.sizes, head);
  for (int64_t i = 0; i < s.tokens; ++i) {
    Vec sum{};
    for (int64_t j = 0; j < d && i < tokens; j += kLanes) {
      sum += load_up_to(inputs.out.row(i) + j, d - j) * load_up_to(inputs.d_out.row(i) + j, d - j);
    }
    s.weighted[i] = reduce_add(sum);
    s.log_sum_exp[i] = i < tokens ? log_sum_exp[i] : 0;
  }
}

// A tile of keys: its place among the kKeys of a block.
struct KeyTile {
  int64_t first, rows;

  int64_t block() const { return round_up(rows, 2) * kPanel; }  // of weights and d_scores
};

// Weights and d_scores of rows r and r + 1 with a panel of queries, where the products read them.
template <class T>
void store_pair(const BackwardScratch<T>& s, const KeyTile& tile, int64_t r, int64_t panel,
                const Vec (&weights)[4], const Vec (&d_scores)[4]) {
  float* turned = s.d_scores_turned + panel * panel_units<T>(kKeys) + panel_units<T>(tile.first + r);
#if LK_AVX512_BF16
  if constexpr (kDepth<T> == 2) {
    const int64_t at = panel / 2 * tile.block() + r * kPanel + panel % 2 * kLanes;
    store(s.weights + at, round_to_pairs(weights[0], weights[1]));
    store(s.weights + at + kPanel, round_to_pairs(weights[2], weights[3]));
    const Vec first = round_to_pairs(d_scores[0], d_scores[1]);
    const Vec second = round_to_pairs(d_scores[2], d_scores[3]);
    store(s.d_scores + at, first);
    store(s.d_scores + at + kPanel, second);
    Vec low, high;
    pair_up(first, second, low, high);
    store(turned, low);
    store(turned + kLanes, high);
    return;
  }
#endif
  for (int u = 0; u < 4; ++u) {
    store(s.weights + panel * tile.block() + r * kPanel + u * kLanes, weights[u]);
    store(turned + u * kLanes, d_scores[u]);
  }
}

// Weights and d_scores = weights ∘ (d_weights - D) of a tile of keys with panel `panel` of the block
// of queries from `query` on, of which `queries` are left there.
template <class T>
void weigh(const BackwardScratch<T>& s, int64_t d, float scale, const KeyTile& tile, int64_t query,
           int64_t panel, int64_t queries) {
  alignas(LK_ALIGNMENT) float scores[kTileRows * kPanel], d_weights[kTileRows * kPanel];
  query += panel * kPanel;
  const int64_t operand = query / kPanel * panel_units<T>(d);
  multiply_tile<T>({s.keys, tile.rows * kPanel, s.queries_turned + operand, kPanel, steps_of<T>(d)},
                   tile.rows, queries, scores, kPanel, false);
  multiply_tile<T>({s.values, tile.rows * kPanel, s.d_out_turned + operand, kPanel, steps_of<T>(d)},
                   tile.rows, queries, d_weights, kPanel, false);
  const Vec shift[] = {load(s.log_sum_exp + query), load(s.log_sum_exp + query + kLanes)};
  const Vec weighted[] = {load(s.weighted + query), load(s.weighted + query + kLanes)};
  for (int64_t r = 0; r < tile.rows; r += 2) {
    Vec p[4], d_score[4];
    for (int u = 0; u < 4; ++u) {
      // Not scale and log2(e) in one: the product's rounding would be the same in all weights.
      p[u] = (load(scores + r * kPanel + u * kLanes) * scale - shift[u % 2]) * kLog2E;
    }
    exp2_each(p);
    for (int u = 0; u < 4; ++u) {
      d_score[u] = p[u] * (load(d_weights + r * kPanel + u * kLanes) - weighted[u % 2]);
    }
    if (r + 1 == tile.rows) d_score[2] = d_score[3] = Vec{};
    store_pair(s, tile, r, panel, p, d_score);
  }
}

// sums (+)= a product, which is summed by itself: long sums lose less so.
template <class T>
void add_product(const Steps& steps, int64_t rows, int64_t columns, float* sums, int64_t stride,
                 bool add) {
  if (!add) return multiply_tile<T>(steps, rows, columns, sums, stride, false);
  alignas(LK_ALIGNMENT) float tile[kTileRows * kPanel];
  multiply_tile<T>(steps, rows, columns, tile, kPanel, false);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < smaller(kPanel, columns); j += kLanes) {
      store(sums + r * stride + j, load(sums + r * stride + j) + load(tile + r * kPanel + j));
    }
  }
}

// A tile of keys against a block of queries: its share of d_values and d_keys.
template <class T>
void add_to_keys(const Backward& call, const BackwardScratch<T>& s, const KeyTile& tile,
                 int64_t query, int64_t queries) {
  const int64_t tokens = call.sizes.tokens, d = call.sizes.head_dim, steps = steps_of<T>(queries);
  // Where a unit is one number, rows of d_scores are scalars as they lie in the panels of queries.
  const bool pairs = kDepth<T> == 2;
  const float* d_scores = pairs ? s.d_scores : s.d_scores_turned + panel_units<T>(tile.first);
  const int64_t d_scores_block = pairs ? tile.block() : panel_units<T>(kKeys);
  for (int64_t j = 0; j < d; j += kPanel) {
    const int64_t operand = j / kPanel * panel_units<T>(tokens) + panel_units<T>(query);
    const int64_t result = tile.first * s.width + j;
    add_product<T>({s.weights, tile.block(), s.d_out + operand, kPanel, steps}, tile.rows, d - j,
                   s.d_values + result, s.width, query > 0);
    add_product<T>({d_scores, d_scores_block, s.queries + operand, kPanel, steps}, tile.rows, d - j,
                   s.d_keys + result, s.width, query > 0);
  }
}

// d_queries of a block of queries, turned, (+)= those of a block of keys.
template <class T>
void add_to_queries(const BackwardScratch<T>& s, int64_t d, int64_t key, int64_t keys, int64_t query,
                    int64_t queries) {
  const float* scalars = s.keys_turned + steps_of<T>(key) * d;
  const int64_t tiles = divide_up(d, kTileRows);
  for (int64_t i = 0; i < queries; i += kPanel) {
    const float* panel = s.d_scores_turned + i / kPanel * panel_units<T>(kKeys);
    for (int64_t t = 0; t < tiles; ++t) {
      const Range rows = part(d, t, tiles);
      multiply_tile<T>({scalars + rows.first * kPanel, d * kPanel, panel, kPanel, steps_of<T>(keys)},
                       rows.size(), queries - i, s.d_queries + (query + i) * d + rows.first * kPanel,
                       kPanel, key > 0);
    }
  }
}

// A block of keys, from `key` on, against all queries. Meanwhile the same rows of `next` are fetched.
template <class T>
void backward_block(const Backward& call, const BackwardScratch<T>& s, const QkvRows<T>& in,
                    int64_t key, int64_t keys, const BackwardInputs<T>& next) {
  const int64_t tokens = call.sizes.tokens, d = call.sizes.head_dim;
  const int64_t pairs = divide_up(keys, 2), tiles = divide_up(pairs, kTileRows / 2);
  for (int64_t query = 0; query < tokens; query += kQueries) {
    const int64_t queries = smaller(kQueries, tokens - query), panels = divide_up(queries, kPanel);
    for (int64_t t = 0; t < tiles; ++t) {
      const Range range = part(pairs, t, tiles);
      const KeyTile tile{2 * range.first, smaller(2 * range.last, keys) - 2 * range.first};
      const int64_t first = key + tile.first;
      pack_rows<T>(in.k.row(first), in.k.stride, tile.rows, d, s.keys);
      pack_rows<T>(in.v.row(first), in.v.stride, tile.rows, d, s.values);
      for (int64_t p = 0; p < panels; ++p) {
        for (int64_t r = p; r < tile.rows && query == 0; r += panels) next.fetch_ahead(first + r, d);
        weigh(s, d, call.scale, tile, query, p, queries - p * kPanel);
      }
      add_to_keys(call, s, tile, query, queries);
    }
    add_to_queries(s, d, key, keys, query, queries);
  }
}

// Rows of d_queries from a panel of them, turned.
template <class T>
void write_turned(const float* panel, float factor, int64_t rows, int64_t columns,
                  const HeadRowsOf<T>& to, int64_t first) {
  for (int64_t i = 0; i < rows; i += kLanes) {
    for (int64_t j = 0; j < columns; j += kLanes) {
      Vec block[kLanes];
      for (int c = 0; c < kLanes; ++c) {
        block[c] = j + c < columns ? load(panel + (j + c) * kPanel + i) * factor : Vec{};
      }
      transpose(block);
      for (int r = 0; r < kLanes && i + r < rows; ++r) {
        store_up_to(to.row(first + i + r) + j, block[r], columns - j);
      }
    }
  }
}

// next: the head that this worker probably takes after `head`.
template <class T>
void backward_task(const Backward& call, const BackwardScratch<T>& s, int64_t head, int64_t next) {
  const int64_t tokens = call.sizes.tokens, d = call.sizes.head_dim;
  const BackwardInputs<T> inputs(call, head), ahead(call, next);
  const QkvRows<T> gradients(call.d_qkv, call.sizes, head);
  pack_head(call, head, inputs, s);
  for (int64_t key = 0; key < tokens; key += kKeys) {
    const int64_t keys = smaller(kKeys, tokens - key);
    backward_block(call, s, inputs.in, key, keys, ahead);
    for (int64_t i = 0; i < keys; ++i) {
      write_row(s.d_keys + i * s.width, call.scale, d, gradients.k.row(key + i));
      write_row(s.d_values + i * s.width, 1, d, gradients.v.row(key + i));
    }
  }
  for (int64_t i = 0; i < tokens; i += kPanel) {
    write_turned(s.d_queries + i * d, call.scale, smaller(kPanel, tokens - i), d, gradients.q, i);
  }
}

}  // namespace

size_t attention_backward_workspace(const Context& context, const Backward& call) {
  size_t bytes = 0;
  with_elements(call.dtype(), [&](auto element) {
    bytes = workspace_of<BackwardScratch<decltype(element)>>(context, call.sizes);
  });
  return bytes;
}

lk_status attention_backward(const Context& context, const Backward& call) {
  const Sizes& sizes = call.sizes;
  describe_shape(sizes);
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    context.pool->run(sizes.batch * sizes.heads, [&](int64_t head, int worker) {
      const TileRegisters registers;
      backward_task<T>(call, scratch_of<BackwardScratch<T>>(context, sizes, worker), head, head + 1);
    });
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
