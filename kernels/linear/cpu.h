// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// How a matrix product is cut over threads and caches: what the linear layer's CPU kernels share
// with other rooms that multiply. README.md tells the whole scheme.
#pragma once

#include "common/gemm.h"
#include "cpu_operations.h"

namespace lk::LK_ISA {

// What a task packs at once should stay in its core's second-level cache.
constexpr int64_t kBlockFloats = 512 * 1024 / 4;
// A plain weight is packed for a call this much at a time.
constexpr int64_t kChunkFloats = 4 * 1024 * 1024 / 4;

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

struct Range {
  int64_t first, last;
};
inline Range part(int64_t count, int64_t index, int64_t parts) {
  return {count * index / parts, count * (index + 1) / parts};
}

// Tasks over a grid of `units` that are packed, at most `most` of them a task, by `columns` that
// each packed unit meets. Columns are cut too where the units alone would occupy the threads
// badly. Which task computes an element changes nothing about the result.
struct Cut {
  int64_t units, columns;
  int64_t blocks, chunks;

  Cut(int64_t units, int64_t most, int64_t columns, int threads) : units(units), columns(columns) {
    const int64_t least = divide_up(units, larger(most, 1));
    blocks = smaller(units, round_up(least, threads));
    chunks = blocks % threads == 0 && blocks < units
                 ? 1
                 : larger(1, smaller(divide_up(4 * threads, blocks), columns));
  }
  int64_t tasks() const { return blocks * chunks; }
  int64_t largest_block() const { return divide_up(units, blocks); }
  // Neighbouring tasks take different units by the same columns.
  Range block(int64_t task) const { return part(units, task % blocks, blocks); }
  Range chunk(int64_t task) const { return part(columns, task / blocks, chunks); }
  bool first_chunk(int64_t task) const { return task < blocks; }
};

// ---- Rows by a weight: tiles of kTileRows rows by kPanel columns ----

// How rows [m, k] are packed and multiplied with panels of k steps.
struct RowTiles {
  int64_t rows;
  int64_t tile_floats;  // of one packed tile
  Cut cut;

  RowTiles(int64_t rows, int64_t row_floats, int64_t panels, int threads)
      : rows(rows),
        tile_floats(kTileRows * row_floats),
        cut(divide_up(rows, kTileRows), kBlockFloats / tile_floats, panels, threads) {}
  int64_t scratch_floats(int threads) const {
    return threads * cut.largest_block() * tile_floats;
  }
};

// pack(row, rows, packed): fills a tile of rows. Then multiply(row, rows, panel, packed) for each
// of its column panels.
template <class Pack, class Multiply>
void over_tiles(const Context& context, const RowTiles& tiles, float* scratch, const Pack& pack,
                const Multiply& multiply) {
  const Cut& cut = tiles.cut;
  context.pool->run(cut.tasks(), [&](int64_t task, int worker) {
    const Range block = cut.block(task), panels = cut.chunk(task);
    float* packed = scratch + worker * cut.largest_block() * tiles.tile_floats;
    const auto over_block = [&](const auto& body) {
      for (int64_t t = block.first; t < block.last; ++t) {
        const int64_t row = t * kTileRows;
        body(row, smaller(kTileRows, tiles.rows - row),
             packed + (t - block.first) * tiles.tile_floats);
      }
    };
    over_block(pack);
    for (int64_t p = panels.first; p < panels.last; ++p) {
      over_block([&](int64_t row, int64_t rows, const float* tile) {
        multiply(row, rows, p, tile);
      });
    }
  });
}

// A weight [n, k] as panels [n / kPanel][k][kPanel].
inline int64_t packed_weight_floats(int64_t n, int64_t k) { return round_up(n, kPanel) * k; }

// Packs panels first .. last - 1 of rows [n, k] from column `column` on, `columns` of them.
void pack_panels(const Context& context, const Matrix& rows, Range panels, int64_t column,
                 int64_t columns, float* packed);

inline Matrix plain_rows(const linear::Weight& w) {
  return {const_cast<void*>(w.data), w.n, w.k, w.stride};
}

// Panels of a plain weight that are packed together.
inline int64_t panels_a_chunk(const linear::Weight& w) {
  return smaller(divide_up(w.n, kPanel), larger(1, kChunkFloats / (w.k * kPanel)));
}
inline int64_t forward_chunk_floats(const linear::Weight& w) {
  return w.packed ? 0 : panels_a_chunk(w) * w.k * kPanel;
}
// body(range of panels, the first of them packed), once for a packed weight, else chunk by chunk.
template <class Body>
void over_panels(const Context& context, const linear::Weight& w, float* scratch,
                 const Body& body) {
  const int64_t panels = divide_up(w.n, kPanel);
  if (w.packed) {
    body(Range{0, panels}, w.row(0));
    return;
  }
  const int64_t step = panels_a_chunk(w);
  for (int64_t p = 0; p < panels; p += step) {
    const Range chunk{p, smaller(p + step, panels)};
    pack_panels(context, plain_rows(w), chunk, 0, w.k, scratch);
    body(chunk, static_cast<const float*>(scratch));
  }
}

// The workspace of a product of `rows` rows with a weight, plain or packed.
struct ProductPlan {
  RowTiles tiles;
  float *chunk, *packed_rows;
  size_t bytes;

  ProductPlan(const Context& context, int64_t rows, const linear::Weight& w, void* workspace)
      : tiles(rows, round_up(w.k, kPanel), w.packed ? divide_up(w.n, kPanel) : panels_a_chunk(w),
              context.pool->threads()) {
    Scratch scratch(workspace);
    chunk = scratch.floats(forward_chunk_floats(w));
    packed_rows = scratch.floats(tiles.scratch_floats(context.pool->threads()));
    bytes = scratch.used();
  }
};

// Bias and epilogue on a tile [rows][kPanel], and its only store to y.
struct Output {
  Vector bias;
  linear::Epilogue epilogue;
  Matrix y;
};
void finish_tile(const Output& output, const float* tile, int64_t row, int64_t rows,
                 int64_t column);

// ---- Backward ----

// Rows that a task sums before it turns to its next columns.
constexpr int64_t kStepRows = 8 * kPanel;

// A low-rank addition to dy W that the lora room brings. Rows go in panels of kPanel; a panel's
// work keeps what it needs in scratch of its own.
struct LowRank {
  bool masked = false;       // dropout: the term is multiplied by the mask
  int64_t panel_floats = 0;  // scratch of a panel, masked or not

  // Reads turned dy [n][kPanel] of `rows` rows. Of all the tasks that see these rows, one is told
  // to keep what later passes need.
  virtual void begin(int64_t row, int64_t rows, const float* dy, bool keep_results,
                     float* scratch) const = 0;
  // tile [columns][kPanel] = the term, turned, of d_x's columns from `column` on.
  virtual void multiply(const float* scratch, int64_t column, int64_t columns, int64_t rows,
                        float* tile) const = 0;
  // Dropout's mask of a row of the panel: a byte a column, 0 or -1.
  virtual const int8_t* mask(const float* scratch, int64_t row_in_panel) const = 0;

 protected:
  ~LowRank() = default;
};

// d_x = (dy W + low-rank term) and its epilogue. Without d_x only low_rank->begin runs.
size_t input_gradient_workspace(const Context& context, const linear::Backward& call,
                                const LowRank* low_rank);
void input_gradient(const Context& context, const linear::Backward& call, const LowRank* low_rank,
                    void* workspace);

// Some columns of rows of x, at most kPanel, as a vector operand: [rows][kPanel], zero-padded.
void pack_columns(const Matrix& x, Range rows, int64_t column, int64_t columns, float* packed);
// result rows [outputs], columns `column` .. + kPanel - 1 (those there are), (+)= the product of
// turned rows (their first output at `turned`, blocks `block` floats apart) with packed columns.
void add_products(const Matrix& result, Range outputs, int64_t column, const float* turned,
                  int64_t block, const float* columns, int64_t steps, bool add);
// d_weight = dyᵀ x and d_bias, summed row by row.
size_t parameter_gradient_workspace(const Context& context, const linear::Backward& call);
void parameter_gradient(const Context& context, const linear::Backward& call, void* workspace);

}  // namespace lk::LK_ISA
