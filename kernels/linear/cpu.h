// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// How a matrix product is cut over threads and caches: what the linear layer's CPU kernels share
// with other rooms that multiply. README.md tells the whole scheme. T is the type of the
// activations' elements.
#pragma once

#include "common/caches.h"
#include "common/gemm.h"
#include "cpu_operations.h"

namespace lk::LK_ISA {

// Tiles that a task packs at once, of tile_floats each: what fits a quarter of its core's second-level
// cache, which two hardware threads may share, so that as much is left for the panel that streams by and
// for what the epilogue touches; but no fewer than make a panel's way from the third level worth it.
inline int64_t most_tiles(int64_t tile_floats) {
  constexpr int64_t kLeastTiles = 4;
  return larger(kLeastTiles, second_level_cache() / 4 / (tile_floats * 4));
}
// A weight that must be brought into another order for a call is packed this much at a time.
constexpr int64_t kChunkFloats = 16 * 1024 * 1024 / 4;

// Hands out a workspace piece by piece; over NULL it only counts.
class Scratch {
 public:
  explicit Scratch(void* workspace) : base_(static_cast<char*>(workspace)) {}

  float* floats(int64_t count) {
    const size_t at = used_;
    used_ += static_cast<size_t>(round_up(count * 4, LK_ALIGNMENT));
    return base_ != nullptr ? reinterpret_cast<float*>(base_ + at) : nullptr;
  }
  size_t used() const { return used_; }

 private:
  char* base_;
  size_t used_ = 0;
};

// Tasks over a grid of `units` that are packed, at most `most` of them a task, by `columns` that
// each packed unit meets. Several threads take smaller blocks towards the end, half of each one's share
// of what is left (guided self-scheduling), so that all end about together; columns are cut too where
// the units alone would occupy the threads badly. Which task computes an element changes nothing about
// the result.
struct Cut {
  int64_t units, most, columns;
  int threads;
  int64_t blocks = 0, chunks = 1;

  Cut(int64_t units, int64_t most, int64_t columns, int threads)
      : units(units), most(larger(1, smaller(most, units))), columns(columns), threads(threads) {
    for (int64_t first = 0; first < units; first += block_size(first)) ++blocks;
    if (threads > 1) chunks = larger(1, smaller(divide_up(4 * threads, larger(1, blocks)), columns));
  }
  int64_t tasks() const { return blocks * chunks; }
  int64_t largest_block() const { return most; }
  // Neighbouring tasks take different units by the same columns.
  Range block(int64_t task) const {
    int64_t first = 0;
    for (int64_t before = task % blocks; before > 0; --before) first += block_size(first);
    return {first, first + block_size(first)};
  }
  Range chunk(int64_t task) const { return part(columns, task / blocks, chunks); }
  bool first_chunk(int64_t task) const { return task < blocks; }

 private:
  int64_t block_size(int64_t first) const {
    const int64_t left = units - first;
    // One thread gains nothing from small blocks but even ones.
    const int64_t share =
        threads == 1 ? divide_up(left, divide_up(left, most)) : divide_up(left, 2 * threads);
    return smaller(most, share);
  }
};

// ---- Rows by panels: tiles of kTileRows rows by kPanel columns ----

// How rows are packed, row_floats units each, and meet a number of panels.
struct RowTiles {
  int64_t rows;
  int64_t tile_floats;  // of one packed tile
  Cut cut;

  RowTiles(int64_t rows, int64_t row_floats, int64_t panels, int threads)
      : rows(rows),
        tile_floats(kTileRows * row_floats),
        cut(divide_up(rows, kTileRows), most_tiles(tile_floats), panels, threads) {}
  int64_t scratch_floats(int threads) const {
    return threads * cut.largest_block() * tile_floats;
  }
};

// pack(row, rows, packed, keep, worker): fills a tile of rows; of all the tasks that see these rows,
// one is told to keep what later passes need. Then multiply(row, rows, panel, packed) for each of its
// column panels.
template <class Pack, class Multiply>
void over_tiles(const Context& context, const RowTiles& tiles, float* scratch, const Pack& pack,
                const Multiply& multiply) {
  const Cut& cut = tiles.cut;
  context.pool->run_in_order(cut.tasks(), [&](int64_t task, int worker) {
    const TileRegisters registers;
    const Range block = cut.block(task), panels = cut.chunk(task);
    float* packed = scratch + worker * cut.largest_block() * tiles.tile_floats;
    const auto over_block = [&](const auto& body) {
      for (int64_t t = block.first; t < block.last; ++t) {
        const int64_t row = t * kTileRows;
        body(row, smaller(kTileRows, tiles.rows - row),
             packed + (t - block.first) * tiles.tile_floats);
      }
    };
    over_block([&](int64_t row, int64_t rows, float* tile) {
      pack(row, rows, tile, cut.first_chunk(task), worker);
    });
    for (int64_t p = panels.first; p < panels.last; ++p) {
      over_block([&](int64_t row, int64_t rows, const float* tile) {
        multiply(row, rows, p, tile);
      });
    }
  });
}

// ---- Weights: W [n, k] as panels, lanes over n [n / kPanel][steps over k][kPanel] for x Wᵀ, or
// lanes over k [k / kPanel][steps over n][kPanel] for dy W ----

template <class T>
constexpr int64_t packed_weight_floats(int64_t n, int64_t k) {
  return divide_up(n, kPanel) * panel_units<T>(k);
}

// Where numbers narrower than f32 are widened to be multiplied, a packed weight is a copy of its rows, which
// each call packs as it does a plain weight's: half the memory for a few percent of a product's time.
template <class T>
constexpr bool kWidened = sizeof(T) < sizeof(float) && kDepth<T> == 1;
template <class T>
bool in_panels(const linear::Weight& w) {
  return w.packed && !kWidened<T>;
}

// Packs panels first .. last - 1 of rows of Numbers as lanes.
template <class T, class Number>
void pack_panels(const Context& context, const Matrix& rows, Range panels, float* packed) {
  context.pool->run(panels.size(), [&](int64_t i, int) {
    const int64_t row = (panels.first + i) * kPanel;
    pack_turned<T>(rows.row_of<Number>(row), rows.stride, smaller(kPanel, rows.rows - row),
                   rows.columns, packed + i * panel_units<T>(rows.columns));
  });
}

// Of a weight that is not in panels.
inline Matrix plain_rows(const linear::Weight& w) {
  return {const_cast<void*>(w.data), w.n, w.k, w.packed ? w.k : w.stride, w.dtype};
}

// A weight's panels as a call meets them: all at once where they lie ready, else as many at a time as
// a chunk of the workspace holds.
struct Panels {
  int64_t count;   // of all
  int64_t floats;  // of one
  int64_t step;    // how many at a time
  bool ready;

  // Lanes over n.
  template <class T>
  static Panels forward(const linear::Weight& w) {
    return make(divide_up(w.n, kPanel), panel_units<T>(w.k), in_panels<T>(w));
  }
  // Lanes over k.
  template <class T>
  static Panels backward(const linear::Weight& w) {
    return make(divide_up(w.k, kPanel), panel_units<T>(round_up(w.n, kPanel)), false);
  }
  int64_t chunk_floats() const { return ready ? 0 : step * floats; }

 private:
  static Panels make(int64_t count, int64_t floats, bool ready) {
    return {count, floats, ready ? count : smaller(count, larger(1, kChunkFloats / floats)), ready};
  }
};

// body(range of panels, the first of them packed), chunk by chunk.
template <class T, class Body>
void over_forward_panels(const Context& context, const linear::Weight& w, float* chunk,
                         const Body& body) {
  const Panels panels = Panels::forward<T>(w);
  if (panels.ready) return body(Range{0, panels.count}, static_cast<const float*>(w.data));
  for (int64_t p = 0; p < panels.count; p += panels.step) {
    const Range range{p, smaller(p + panels.step, panels.count)};
    pack_panels<T, T>(context, plain_rows(w), range, chunk);
    body(range, static_cast<const float*>(chunk));
  }
}
template <class T, class Body>
void over_backward_panels(const Context& context, const linear::Weight& w, float* chunk,
                          const Body& body) {
  const Panels panels = Panels::backward<T>(w);
  for (int64_t p = 0; p < panels.count; p += panels.step) {
    const Range range{p, smaller(p + panels.step, panels.count)};
    context.pool->run(range.size(), [&](int64_t i, int) {
      const int64_t column = (range.first + i) * kPanel;
      const int64_t columns = smaller(kPanel, w.k - column);
      float* to = chunk + i * panels.floats;
      if (!in_panels<T>(w)) {
        const Matrix rows = plain_rows(w);
        pack_columns<T>(rows.row_of<T>(0) + column, rows.stride, w.n, columns, to);
        return;
      }
      for (int64_t n = 0; n < w.n; n += kPanel) {
        const float* rows = static_cast<const float*>(w.data) + n / kPanel * panel_units<T>(w.k);
        // Pages apart, so asked for two ahead.
        if (n + 2 * kPanel < w.n) {
          fetch_rows(rows + 2 * panel_units<T>(w.k) + panel_units<T>(column), 0, 1,
                     panel_units<T>(columns));
        }
        turn_panel<T>(rows, smaller(kPanel, w.n - n), column, columns, to + panel_units<T>(n));
      }
    });
    body(range, static_cast<const float*>(chunk));
  }
}

// The workspace of a product of `rows` rows, row_floats units each, with panels.
struct ProductPlan {
  RowTiles tiles;
  float *chunk, *packed_rows;
  size_t bytes;

  ProductPlan(const Context& context, int64_t rows, int64_t row_floats, const Panels& panels,
              void* workspace)
      : tiles(rows, row_floats, panels.step, context.pool->threads()) {
    Scratch scratch(workspace);
    chunk = scratch.floats(panels.chunk_floats());
    packed_rows = scratch.floats(tiles.scratch_floats(context.pool->threads()));
    bytes = scratch.used();
  }
  // The same tiles for the panels of one chunk.
  const RowTiles& meeting(Range panels) {
    tiles.cut.columns = panels.size();
    return tiles;
  }
};

// A matrix's tile that begins there, if there is a matrix.
template <class T>
Later tile_of(const Matrix& matrix, int64_t row, int64_t column) {
  if (!matrix) return {};
  return {matrix.row_of<T>(row) + column, matrix.stride * static_cast<int64_t>(sizeof(T))};
}

// Bias and epilogue on a tile [rows][kPanel], and its only store to y.
struct Output {
  Vector bias;
  linear::Epilogue epilogue;
  Matrix y;

  // What else a tile reads or writes.
  const Matrix& beside() const {
    return epilogue.residual ? epilogue.residual : epilogue.pre_activation;
  }
};
template <class T>
void finish_tile(const Output& output, const float* tile, int64_t row, int64_t rows,
                 int64_t column);
// ---- Backward ----

// Row scale, what d_x is added to or multiplied by, and its only store, of a tile [rows][kPanel].
template <class T>
void finish_gradient_tile(const linear::Backward& call, const float* tile, int64_t row,
                          int64_t rows, int64_t column);

// result rows [outputs], columns `column` .. + kPanel - 1 (those there are), (+)= the product of
// scalars (those of the first output first, blocks `block` units apart) with packed columns. The next
// tile of the result, below or in the next columns, is asked for meanwhile.
template <class T>
void add_products(const Matrix& result, Range outputs, int64_t column, const float* scalars,
                  int64_t block, const float* columns, int64_t steps, bool add);
// d_weight = dyᵀ x and d_bias, summed row by row.
template <class T>
size_t parameter_gradient_workspace(const Context& context, const linear::Backward& call);
template <class T>
void parameter_gradient(const Context& context, const linear::Backward& call, void* workspace);

}  // namespace lk::LK_ISA
