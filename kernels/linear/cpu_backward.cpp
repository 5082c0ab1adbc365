// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Backward: d_x = dy W like forward, with W turned; d_weight = dyᵀ x with lanes over columns.
#include "common/gelu_simd.h"
#include "linear/cpu.h"

namespace lk::LK_ISA {

// ---- d_x ----

template <class T>
void finish_gradient_tile(const linear::Backward& call, const float* tile, int64_t row,
                          int64_t rows, int64_t column) {
  const int64_t columns = smaller(kPanel, call.d_x.columns - column);
  for (int64_t i = row; i < row + rows; ++i, tile += kPanel) {
    const Vec scale = splat(call.row_scale[i]);
    T* d_x = call.d_x.row_of<T>(i) + column;
    over_output_groups<InOrder, 2>(d_x, columns, false, [&](int64_t j, auto group) {
      constexpr int kCount = group.kCount;
      Vec value[kCount];
      for (int u = 0; u < kCount; ++u) value[u] = load(tile + j + u * kLanes);
      if (call.row_scale) {
        for (Vec& each : value) each *= scale;
      }
      if (call.x_pre_activation) {
        Vec slope[kCount];
        group.load(call.x_pre_activation.row_of<T>(i) + column + j, slope);
        gelu_derivative_each<T>(slope);
        for (int u = 0; u < kCount; ++u) value[u] *= slope[u];
      }
      if (call.add_to_d_x) add_loaded(group, d_x + j, value);
      group.store(d_x + j, value);
    });
  }
}
template void finish_gradient_tile<float>(const linear::Backward&, const float*, int64_t, int64_t,
                                          int64_t);
template void finish_gradient_tile<Bf16>(const linear::Backward&, const float*, int64_t, int64_t,
                                         int64_t);

namespace {

template <class T>
ProductPlan input_plan(const Context& context, const linear::Backward& call, void* workspace) {
  return {context, call.dy.rows, row_units<T>(call.w.n), Panels::backward<T>(call.w), workspace};
}

template <class T>
void input_gradient(const Context& context, const linear::Backward& call) {
  const int64_t n = call.w.n;
  ProductPlan plan = input_plan<T>(context, call, context.workspace);
  const int64_t panel_floats = Panels::backward<T>(call.w).floats;
  over_backward_panels<T>(context, call.w, plan.chunk, [&](Range panels, const float* packed) {
    over_tiles(
        context, plan.meeting(panels), plan.packed_rows,
        [&](int64_t row, int64_t rows, float* tile, bool, int) {
          pack_rows<T>(call.dy.row_of<T>(row), call.dy.stride, rows, n, tile);
        },
        [&](int64_t row, int64_t rows, int64_t panel, const float* dy) {
          alignas(LK_ALIGNMENT) float tile[kTileRows * kPanel];
          const int64_t column = (panels.first + panel) * kPanel;
          multiply_tile<T>({dy, rows * kPanel, packed + panel * panel_floats, kPanel,
                            steps_of<T>(n),
                            {tile_of<T>(call.d_x, row, column),
                             tile_of<T>(call.x_pre_activation, row, column)}},
                           rows, call.w.k - column, tile, kPanel, false);
          finish_gradient_tile<T>(call, tile, row, rows, column);
        });
  });
}

// ---- d_weight and d_bias ----

// Rows that a task of d_weight sums before it turns to its next columns: between two of them its part of
// d_weight leaves the second-level cache.
template <class T>
constexpr int64_t kInputRows = 8 * kPanel * kDepth<T>;
// Tiles of d_weight's rows that a task turns dy for at once, at most.
constexpr int64_t kMostTiles = 16;
// Of x, packed at a time for all tasks: 4 MiB, which the last-level cache keeps for them and which is less
// than d_x's weight takes.
constexpr int64_t kInputFloats = 4 * 1024 * 1024 / 4;

template <class T>
struct ParameterPlan {
  static constexpr int64_t kBlockRows = kPanel * kDepth<T>;  // of dy in one block of scalars
  static_assert(kInputRows<T> % kBlockRows == 0);

  Cut cut;            // tiles of d_weight's rows by panels of its columns
  int64_t step_rows;  // whose columns of x are packed at once, for all tasks
  float* x;           // [steps of kInputRows][panels][steps over rows][kPanel]
  int64_t worker_floats;
  float* worker;      // dy, turned
  size_t bytes;

  ParameterPlan(const Context& context, const linear::Backward& call, void* workspace)
      : cut(divide_up(call.w.n, kTileRows), kMostTiles, divide_up(call.w.k, kPanel),
            context.pool->threads()) {
    const int64_t step_floats = cut.columns * panel_units<T>(kInputRows<T>);
    const int64_t steps = smaller(divide_up(call.dy.rows, kInputRows<T>),
                                  larger(1, kInputFloats / step_floats));
    step_rows = steps * kInputRows<T>;
    worker_floats = kInputRows<T> / kDepth<T> * cut.largest_block() * kTileRows;
    Scratch scratch(workspace);
    x = scratch.floats(steps * step_floats);
    worker = scratch.floats(context.pool->threads() * worker_floats);
    bytes = scratch.used();
  }
  float* x_panel(int64_t row_of_chunk, int64_t panel) const {
    return x + (row_of_chunk / kInputRows<T> * cut.columns + panel) * panel_units<T>(kInputRows<T>);
  }
};

// sums[j] (+)= the rows' sum of dy's columns [first, last), row by row.
template <class T>
void sum_columns(const linear::Backward& call, Range rows, Range columns, bool add) {
  float* sums = call.d_bias.data + columns.first;
  over_vectors(columns.size(), [&](int64_t j, auto part) {
    Vec sum = add ? part.load(sums + j) : Vec{};
    for (int64_t i = rows.first; i < rows.last; ++i) {
      sum += splat(call.row_scale[i]) * part.load(call.dy.row_of<T>(i) + columns.first + j);
    }
    part.store(sums + j, sum);
  });
}

// Some rows of dy, scaled, as the rows of d_weight that are `columns`.
template <class T>
void turn_rows(const linear::Backward& call, Range rows, Range columns, float* turned) {
  constexpr int64_t kBlockRows = ParameterPlan<T>::kBlockRows;
  for (int64_t i = rows.first; i < rows.last; i += kBlockRows, turned += columns.size() * kPanel) {
    const int64_t count = smaller(kBlockRows, rows.last - i);
    float scales[kBlockRows];
    for (int64_t r = 0; r < count && call.row_scale; ++r) scales[r] = call.row_scale[i + r];
    pack_column_scalars<T>(call.dy.row_of<T>(i) + columns.first, call.dy.stride, count,
                           columns.size(), call.row_scale ? scales : nullptr, turned);
  }
}

}  // namespace

template <class T>
void add_products(const Matrix& result, Range outputs, int64_t column, const float* scalars,
                  int64_t block, const float* columns, int64_t steps, bool add) {
  const int64_t width = smaller(kPanel, result.columns - column);
  const bool whole = width == kPanel || width == kLanes;
  for (int64_t n = outputs.first; n < outputs.last; n += kTileRows) {
    const int64_t count = smaller(kTileRows, outputs.last - n);
    const bool last = n + kTileRows >= outputs.last;
    const Steps product{scalars + (n - outputs.first) * kPanel, block, columns, kPanel, steps,
                        {tile_of<float>(result, last ? outputs.first : n + kTileRows,
                                        last ? column + kPanel : column)}};
    float* place = result.row(n) + column;
    if (whole) {
      multiply_tile<T>(product, count, width, place, result.stride, add);
      continue;
    }
    alignas(LK_ALIGNMENT) float tile[kTileRows * kPanel];
    for (int64_t i = 0; i < count && add; ++i) {
      __builtin_memcpy(tile + i * kPanel, place + i * result.stride, width * 4);
    }
    multiply_tile<T>(product, count, width, tile, kPanel, add);
    for (int64_t i = 0; i < count; ++i) {
      __builtin_memcpy(place + i * result.stride, tile + i * kPanel, width * 4);
    }
  }
}
template void add_products<float>(const Matrix&, Range, int64_t, const float*, int64_t,
                                  const float*, int64_t, bool);
template void add_products<Bf16>(const Matrix&, Range, int64_t, const float*, int64_t,
                                 const float*, int64_t, bool);

template <class T>
size_t parameter_gradient_workspace(const Context& context, const linear::Backward& call) {
  return ParameterPlan<T>(context, call, nullptr).bytes;
}

// Some rows of x as panels of columns.
template <class T>
void pack_inputs(const Context& context, const linear::Backward& call, const ParameterPlan<T>& plan,
                 Range rows) {
  const int64_t steps = divide_up(rows.size(), kInputRows<T>);
  context.pool->run(steps * plan.cut.columns, [&](int64_t task, int) {
    const int64_t row = task / plan.cut.columns * kInputRows<T>, panel = task % plan.cut.columns;
    pack_columns<T>(call.x.row_of<T>(rows.first + row) + panel * kPanel, call.x.stride,
                    smaller(kInputRows<T>, rows.size() - row),
                    smaller(kPanel, call.w.k - panel * kPanel), plan.x_panel(row, panel));
  });
}

// A task's part of d_weight and d_bias over `rows`, whose x lies packed.
template <class T>
void add_rows(const linear::Backward& call, const ParameterPlan<T>& plan, Range rows, int64_t task,
              float* turned) {
  const Range tiles = plan.cut.block(task), panels = plan.cut.chunk(task);
  const Range outputs{tiles.first * kTileRows, smaller(tiles.last * kTileRows, call.w.n)};
  for (int64_t row = rows.first; row < rows.last; row += kInputRows<T>) {
    const Range step{row, smaller(row + kInputRows<T>, rows.last)};
    const bool add = call.add_to_parameters || row > 0;
    if (call.d_bias && plan.cut.first_chunk(task)) sum_columns<T>(call, step, outputs, add);
    if (!call.d_weight) continue;
    turn_rows<T>(call, step, outputs, turned);
    const int64_t later = smaller(kInputRows<T>, rows.last - step.last);
    for (int64_t p = panels.first; p < panels.last; ++p) {
      const Range next = part(later, p - panels.first, panels.size());
      fetch_rows(call.dy.row_of<T>(step.last + next.first) + outputs.first, call.dy.stride,
                 next.size(), outputs.size());
      add_products<T>(call.d_weight, outputs, p * kPanel, turned, outputs.size() * kPanel,
                      plan.x_panel(row - rows.first, p), steps_of<T>(step.size()), add);
    }
  }
}

template <class T>
void parameter_gradient(const Context& context, const linear::Backward& call, void* workspace) {
  ParameterPlan<T> plan(context, call, workspace);
  if (!call.d_weight) plan.cut.chunks = 1;
  for (int64_t row = 0; row < call.dy.rows; row += plan.step_rows) {
    const Range rows{row, smaller(row + plan.step_rows, call.dy.rows)};
    if (call.d_weight) pack_inputs(context, call, plan, rows);
    context.pool->run_in_order(plan.cut.tasks(), [&](int64_t task, int worker) {
      const TileRegisters registers;
      add_rows(call, plan, rows, task, plan.worker + worker * plan.worker_floats);
    });
  }
}
#define LK_INSTANTIATE(T)                                                                     \
  template size_t parameter_gradient_workspace<T>(const Context&, const linear::Backward&);   \
  template void parameter_gradient<T>(const Context&, const linear::Backward&, void*);
LK_INSTANTIATE(float)
LK_INSTANTIATE(Bf16)
#undef LK_INSTANTIATE

size_t linear_backward_workspace(const Context& context, const linear::Backward& call) {
  int64_t bytes = 0;
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    bytes = larger(static_cast<int64_t>(input_plan<T>(context, call, nullptr).bytes),
                   static_cast<int64_t>(parameter_gradient_workspace<T>(context, call)));
  });
  return static_cast<size_t>(bytes);
}

lk_status linear_backward(const Context& context, const linear::Backward& call) {
  const Size sizes[] = {{"m", call.dy.rows}, {"n", call.w.n}, {"k", call.w.k}};
  describe_sizes(sizes, 3);
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    if (call.d_x) input_gradient<T>(context, call);
    if (call.d_weight || call.d_bias) parameter_gradient<T>(context, call, context.workspace);
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
