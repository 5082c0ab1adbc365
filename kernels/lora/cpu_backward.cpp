// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Backward in two passes over dy: dh and d_x by rows, then d_b and d_a by their own elements.
#include "lora/cpu.h"

namespace lk::LK_ISA {
namespace {

// Rows that a task of d_a or d_b packs at a time.
constexpr int64_t kStepRows = 8 * kPanel;

// B of each group with lanes over the rank, [rank / kPanel][steps over columns][kPanel]. Steps begin
// with whole blocks of a packed row of dy; those before the group's first column are zero.
template <class T>
class TurnedB {
 public:
  TurnedB(const lora::Adapter& adapter, Scratch& scratch) : adapter_(adapter) {
    for (int64_t g = 0; g < adapter.groups; ++g) {
      b_[g] = scratch.floats(divide_up(adapter.rank, kPanel) * panel_floats(g));
    }
  }

  void pack(const Context& context) const {
    for (int64_t g = 0; g < adapter_.groups; ++g) {
      const int64_t blocks = divide_up(columns(g), kBlockColumns);
      context.pool->run(blocks * divide_up(adapter_.rank, kPanel), [&](int64_t task, int) {
        pack_block(g, task / blocks * kPanel, task % blocks * kBlockColumns);
      });
    }
  }

  const float* of(int64_t g) const { return b_[g]; }
  int64_t panel_floats(int64_t g) const { return panel_units<T>(columns(g)); }
  // The first column of dy that takes part, a multiple of a block's, and how many do.
  int64_t first(int64_t g) const {
    return adapter_.group[g].first / kBlockColumns * kBlockColumns;
  }
  int64_t columns(int64_t g) const { return adapter_.group[g].last() - first(g); }

 private:
  static constexpr int64_t kBlockColumns = kPanel * kDepth<T>;

  void pack_block(int64_t g, int64_t rank, int64_t column) const {
    const lora::Group& group = adapter_.group[g];
    const int64_t width = smaller(kPanel, adapter_.rank - rank);
    float* to = b_[g] + rank / kPanel * panel_floats(g) + panel_units<T>(column);
    const int64_t last = smaller(columns(g), column + kBlockColumns);
    for (; column < last; column += kDepth<T>, to += kPanel) {
      float rows[kDepth<T>][kPanel] = {};
      for (int64_t d = 0; d < kDepth<T>; ++d) {
        const int64_t in_group = first(g) + column + d - group.first;
        if (in_group < 0 || in_group >= group.columns) continue;
        __builtin_memcpy(rows[d], adapter_.b.row(group.b_row + in_group) + rank,
                         static_cast<size_t>(width) * 4);
      }
      pack_columns<T>(&rows[0][0], kPanel, kDepth<T>, kPanel, to);
    }
  }

  const lora::Adapter& adapter_;
  float* b_[LK_MAX_LORA_GROUPS];
};

// A packed tile holds, a row each: dy, dh as scalars, and dh as it is.
template <class T>
struct BackwardPlan {
  int64_t n, dy_units, dh_units, width;
  Scratch scratch;
  TurnedB<T> b;
  float* a;   // [panels of A's columns][steps over width][kPanel]
  float* dh;  // [m][width], without the row scale
  float *turned_dh, *turned_h;  // blocks [width][kPanel] of rows: the second pass's scalars
  uint32_t* kept;  // [panels of x's columns][m], the mask's bits from the first pass for the second
  int64_t worker_floats;  // of the second pass
  float* rest;            // for one pass after the other
  ProductPlan product;
  size_t bytes;

  BackwardPlan(const Context& context, const lora::Backward& call, void* workspace)
      : n(call.linear.w.n),
        dy_units(row_units<T>(n)),
        dh_units(row_units<T>(call.adapter.rows())),
        width(call.adapter.rows()),
        scratch(workspace),
        b(call.adapter, scratch),
        a(scratch.floats(packed_weight_floats<T>(call.linear.w.k, width))),
        dh(scratch.floats(call.linear.dy.rows * width)),
        turned_dh(scratch.floats(row_units<T>(call.linear.dy.rows) * width)),
        turned_h(scratch.floats(row_units<T>(call.linear.dy.rows) * width)),
        kept(reinterpret_cast<uint32_t*>(
            scratch.floats(divide_up(call.linear.w.k, kPanel) * call.linear.dy.rows))),
        worker_floats(panel_units<T>(kStepRows) + call.adapter.rank * kPanel),
        rest(scratch.floats(0)),
        product(context, call.linear.dy.rows, dy_units + dh_units + width,
                Panels::backward<T>(call.linear.w), rest) {
    const int64_t second = context.pool->threads() * worker_floats * 4;
    const int64_t last =
        static_cast<int64_t>(parameter_gradient_workspace<T>(context, call.linear));
    bytes = scratch.used() + static_cast<size_t>(larger(static_cast<int64_t>(product.bytes),
                                                        larger(second, last)));
  }
};

// ---- dh and d_x ----

// Fills a tile: dh = c dy B from the product, or, where an earlier pass made it, from there.
template <class T>
void pack_tile(const lora::Backward& call, const BackwardPlan<T>& plan, int64_t row, int64_t rows,
               bool made, bool keep, float* tile) {
  const Matrix& dy = call.linear.dy;
  const int64_t rank = call.adapter.rank;
  float* packed_dh = tile + plan.dy_units * rows;
  float* own_dh = packed_dh + plan.dh_units * rows;
  float* kept = plan.dh + row * plan.width;
  const size_t bytes = static_cast<size_t>(rows * plan.width) * 4;
  pack_rows<T>(dy.row_of<T>(row), dy.stride, rows, plan.n, tile);
  if (made) {
    __builtin_memcpy(own_dh, kept, bytes);
  } else {
    for (int64_t g = 0; g < call.adapter.groups; ++g) {
      project<T>(tile + steps_of<T>(plan.b.first(g)) * rows, rows, plan.b.of(g),
                 plan.b.panel_floats(g), plan.b.columns(g), rank, call.adapter.factor(),
                 own_dh + g * rank, plan.width);
    }
    if (keep) __builtin_memcpy(kept, own_dh, bytes);
  }
  pack_rows<T>(own_dh, plan.width, rows, plan.width, packed_dh);
}

// tile += mask ∘ low.
void add_kept(const uint32_t* kept, const float* low, int64_t rows, int64_t columns, float* tile) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; j += kLanes) {
      const int64_t at = i * kPanel + j;
      store(tile + at, load(tile + at) + keep(load(low + at), kept[i] >> j));
    }
  }
}

template <class T>
void input_gradient(const Context& context, const lora::Backward& call, BackwardPlan<T>& plan) {
  const linear::Backward& base = call.linear;
  const Dropout dropout(call.adapter, base.w.k);
  const int64_t panel_floats = Panels::backward<T>(base.w).floats;
  const auto over_chunk = [&](Range panels, const float* packed) {
    over_tiles(
        context, plan.product.meeting(panels), plan.product.packed_rows,
        [&](int64_t row, int64_t rows, float* tile, bool keep, int) {
          pack_tile<T>(call, plan, row, rows, panels.first > 0, keep, tile);
        },
        [&](int64_t row, int64_t rows, int64_t panel, const float* dy) {
          alignas(LK_ALIGNMENT) float tile[kTileRows * kPanel];
          const int64_t index = panels.first + panel, column = index * kPanel;
          const int64_t columns = base.w.k - column, block = rows * kPanel;
          Steps steps{{dy, block, packed + panel * panel_floats, kPanel, steps_of<T>(plan.n)},
                      {tile_of<T>(base.d_x, row, column),
                       tile_of<T>(base.x_pre_activation, row, column)}};
          const Operands low{dy + plan.dy_units * rows, block,
                             plan.a + index * panel_units<T>(plan.width), kPanel,
                             steps_of<T>(plan.width)};
          if (!dropout.active()) steps.then = low;
          multiply_tile<T>(steps, rows, columns, tile, kPanel, false);
          if (dropout.active()) {
            alignas(LK_ALIGNMENT) float dropped[kTileRows * kPanel];
            multiply_tile<T>({low}, rows, columns, dropped, kPanel, false);
            uint32_t* kept = plan.kept + index * base.dy.rows + row;
            dropout.draw(row, rows, column, kept);
            add_kept(kept, dropped, rows, smaller(kPanel, columns), tile);
          }
          finish_gradient_tile<T>(base, tile, row, rows, column);
        });
  };
  if (base.d_x) {
    over_backward_panels<T>(context, base.w, plan.product.chunk, over_chunk);
  } else {
    plan.product.tiles.cut.chunks = 1;
    over_chunk({0, 0}, nullptr);
  }
}

// ---- d_a and d_b ----

// Where the second pass's scalars of a row, a multiple of a block's rows, are.
template <class T>
int64_t turned_at(const BackwardPlan<T>& plan, int64_t row) {
  return steps_of<T>(row) * plan.width;
}

// h and dh with their row scales, as scalars.
template <class T>
void turn_rank_rows(const Context& context, const lora::Backward& call,
                    const BackwardPlan<T>& plan) {
  constexpr int64_t kRows = kPanel * kDepth<T>;
  const linear::RowScale& row_scale = call.linear.row_scale;
  context.pool->run(divide_up(call.linear.dy.rows, kRows), [&](int64_t task, int) {
    const int64_t row = task * kRows, rows = smaller(kRows, call.linear.dy.rows - row);
    float scales[kRows];
    for (int64_t i = 0; i < rows; ++i) scales[i] = row_scale[row + i];
    const float* given = row_scale ? scales : nullptr;
    pack_column_scalars<T>(static_cast<const float*>(call.h.row(row)), call.h.stride, rows,
                           plan.width, given, plan.turned_h + turned_at(plan, row));
    pack_column_scalars<T>(static_cast<const float*>(plan.dh) + row * plan.width, plan.width, rows,
                           plan.width, given, plan.turned_dh + turned_at(plan, row));
  });
}

// d_b of at most kPanel of a group's columns: the sums, turned, over all rows of h ∘ dy.
template <class T>
void gradient_of_b(const lora::Backward& call, const BackwardPlan<T>& plan, int64_t g,
                   int64_t first, int64_t columns, float* scratch) {
  const linear::Backward& base = call.linear;
  const int64_t rank = call.adapter.rank;
  const lora::Group& group = call.adapter.group[g];
  float* sums = scratch + panel_units<T>(kStepRows);  // [rank][kPanel]
  const auto d_b = [&](int64_t column) { return call.d_b.row(group.b_row + first + column); };
  for (int64_t column = 0; column < columns && base.add_to_parameters; ++column) {
    for (int64_t j = 0; j < rank; ++j) sums[j * kPanel + column] = d_b(column)[j];
  }
  for (int64_t row = 0; row < base.dy.rows; row += kStepRows) {
    const int64_t rows = smaller(kStepRows, base.dy.rows - row);
    const T* dy = base.dy.row_of<T>(row) + group.first + first;
    const float* vectors = scratch;
    int64_t stride = kPanel;
    if constexpr (sizeof(T) == sizeof(float)) {
      if (columns == kPanel || columns == kLanes) {  // in place
        vectors = dy;
        stride = base.dy.stride;
      }
    }
    if (vectors == scratch) pack_columns<T>(dy, base.dy.stride, rows, columns, scratch);
    for (int64_t j = 0; j < rank; j += kTileRows) {
      multiply_tile<T>({plan.turned_h + turned_at(plan, row) + (g * rank + j) * kPanel,
                        plan.width * kPanel, vectors, stride, steps_of<T>(rows)},
                       smaller(kTileRows, rank - j), columns, sums + j * kPanel, kPanel,
                       base.add_to_parameters || row > 0);
    }
  }
  for (int64_t column = 0; column < columns; ++column) {
    for (int64_t j = 0; j < rank; ++j) d_b(column)[j] = sums[j * kPanel + column];
  }
}

// d_a's columns from `column` on, at most kPanel of them.
template <class T>
void gradient_of_a(const lora::Backward& call, const BackwardPlan<T>& plan,
                   const Dropout& dropout, int64_t column, float* scratch) {
  const linear::Backward& base = call.linear;
  const int64_t columns = smaller(kPanel, base.w.k - column);
  uint32_t* kept = plan.kept + column / kPanel * base.dy.rows;
  // Without d_x nobody has drawn it yet.
  if (dropout.active() && !base.d_x) dropout.draw(0, base.dy.rows, column, kept);
  for (int64_t row = 0; row < base.dy.rows; row += kStepRows) {
    const int64_t rows = smaller(kStepRows, base.dy.rows - row);
    pack_columns<T>(base.x.row_of<T>(row) + column, base.x.stride, rows, columns, scratch,
                    dropout.active() ? kept + row : nullptr);
    add_products<T>(call.d_a, {0, plan.width}, column, plan.turned_dh + turned_at(plan, row),
                    plan.width * kPanel, scratch, steps_of<T>(rows),
                    base.add_to_parameters || row > 0);
  }
}

template <class T>
void adapter_gradients(const Context& context, const lora::Backward& call,
                       const BackwardPlan<T>& plan) {
  const int64_t a_tasks = divide_up(call.linear.w.k, kPanel);
  int64_t tasks = a_tasks;
  for (int64_t g = 0; g < call.adapter.groups; ++g) {
    tasks += divide_up(call.adapter.group[g].columns, kPanel);
  }
  const Dropout dropout(call.adapter, call.linear.w.k);
  context.pool->run_in_order(tasks, [&](int64_t task, int worker) {
    const TileRegisters registers;
    float* scratch = plan.rest + worker * plan.worker_floats;
    if (task < a_tasks) {
      gradient_of_a<T>(call, plan, dropout, task * kPanel, scratch);
      return;
    }
    int64_t first = (task - a_tasks) * kPanel;
    for (int64_t g = 0; g < call.adapter.groups; ++g) {
      const int64_t columns = call.adapter.group[g].columns;
      if (first < columns) {
        gradient_of_b<T>(call, plan, g, first, smaller(kPanel, columns - first), scratch);
        return;
      }
      first -= round_up(columns, kPanel);
    }
  });
}

template <class T>
void backward(const Context& context, const lora::Backward& call) {
  BackwardPlan<T> plan(context, call, context.workspace);
  plan.b.pack(context);
  const Matrix& a = call.adapter.a;
  context.pool->run(divide_up(call.linear.w.k, kPanel), [&](int64_t panel, int) {
    const int64_t column = panel * kPanel;
    pack_columns<T>(static_cast<const float*>(a.row(0)) + column, a.stride, plan.width,
                    smaller(kPanel, call.linear.w.k - column),
                    plan.a + panel * panel_units<T>(plan.width));
  });
  input_gradient<T>(context, call, plan);
  turn_rank_rows<T>(context, call, plan);
  adapter_gradients<T>(context, call, plan);
  if (call.linear.d_weight || call.linear.d_bias) {
    parameter_gradient<T>(context, call.linear, plan.rest);
  }
}

}  // namespace

size_t lora_linear_backward_workspace(const Context& context, const lora::Backward& call) {
  size_t bytes = 0;
  with_elements(call.dtype(), [&](auto element) {
    bytes = BackwardPlan<decltype(element)>(context, call, nullptr).bytes;
  });
  return bytes;
}

lk_status lora_linear_backward(const Context& context, const lora::Backward& call) {
  const Size sizes[] = {{"m", call.linear.dy.rows}, {"n", call.linear.w.n},
                        {"k", call.linear.w.k},     {"groups", call.adapter.groups},
                        {"rank", call.adapter.rank}};
  describe_sizes(sizes, 5);
  with_elements(call.dtype(), [&](auto element) { backward<decltype(element)>(context, call); });
  return LK_OK;
}

}  // namespace lk::LK_ISA
