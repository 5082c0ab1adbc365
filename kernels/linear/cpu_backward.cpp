// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Backward: d_x = dy W with lanes over rows, d_weight = dyᵀ x with lanes over columns.
#include "linear/cpu.h"

namespace lk::LK_ISA {
namespace {

// Columns of d_x that are finished together: whole vectors and whole tiles.
constexpr int64_t kGroup = 4 * kTileRows;
static_assert(kGroup % kLanes == 0);
// Panels of dy's rows that a task turns at once, at most.
constexpr int64_t kMostPanels = 8;

// At most kPanel rows of dy, scaled and turned: [columns][kPanel].
void turn_rows(const linear::Backward& call, Range rows, Range columns, float* turned) {
  float scales[kPanel];
  for (int64_t i = rows.first; i < rows.last; ++i) scales[i - rows.first] = call.row_scale[i];
  pack_turned(call.dy.row(rows.first) + columns.first, call.dy.stride, rows.last - rows.first,
              columns.last - columns.first, call.row_scale ? scales : nullptr, turned);
}

// ---- d_x ----

struct InputPlan {
  bool masked;
  int64_t n, chunk_columns;  // of a plain weight that are packed together
  Cut cut;                   // panels of rows by groups of columns
  float *chunk, *worker;
  int64_t turned_floats, result_floats, low_floats, panel_floats;  // of one panel of rows
  size_t bytes;

  InputPlan(const Context& context, const linear::Backward& call, const LowRank* low_rank,
            void* workspace)
      : masked(low_rank != nullptr && low_rank->masked),
        n(call.w.n),
        chunk_columns(call.w.packed ? call.w.k : plain_chunk(call.w)),
        cut(divide_up(call.dy.rows, kPanel),
            smaller(kBlockFloats / (n * kPanel), kMostPanels),
            divide_up(chunk_columns, kGroup), context.pool->threads()) {
    turned_floats = n * kPanel;
    result_floats = kGroup * kPanel;
    low_floats = low_rank != nullptr ? result_floats : 0;
    panel_floats = turned_floats + result_floats + low_floats +
                   (low_rank != nullptr ? round_up(low_rank->panel_floats, 16) : 0);
    Scratch scratch(workspace);
    chunk = scratch.floats(call.w.packed ? 0 : round_up(n, kPanel) * chunk_columns);
    worker = scratch.floats(context.pool->threads() * cut.largest_block() * panel_floats);
    bytes = scratch.used();
  }

  static int64_t plain_chunk(const linear::Weight& w) {
    const int64_t groups = larger(1, kChunkFloats / (round_up(w.n, kPanel) * kGroup));
    return smaller(w.k, groups * kGroup);
  }
};

// One panel of rows: where its parts lie in a worker's scratch.
struct Panel {
  int64_t row, rows;
  float *turned, *result, *low, *low_scratch;
};

Panel panel_at(const InputPlan& plan, int64_t rows, int64_t index, float* scratch) {
  const int64_t row = index * kPanel;
  float* result = scratch + plan.turned_floats;
  float* low = result + plan.result_floats;
  return {row, smaller(kPanel, rows - row), scratch, result, low, low + plan.low_floats};
}

// Turns kLanes columns of kLanes rows back: block[row].
void turn_back(const float* columns, Vec (&block)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) block[i] = load(columns + i * kPanel);
  transpose(block);
}

// Writes `columns` columns of d_x, at most kGroup, of a panel's rows.
void finish_group(const linear::Backward& call, const LowRank* low_rank, const Panel& panel,
                  int64_t column, int64_t columns) {
  const bool masked = low_rank != nullptr && low_rank->masked;
  over_vectors(columns, [&](int64_t j, auto part) {
    const int64_t at = column + j;
    for (int64_t half = 0; half < panel.rows; half += kLanes) {
      Vec block[kLanes], low[kLanes];
      turn_back(panel.result + j * kPanel + half, block);
      if (masked) turn_back(panel.low + j * kPanel + half, low);
      for (int64_t i = 0; i < smaller(kLanes, panel.rows - half); ++i) {
        const int64_t row = panel.row + half + i;
        Vec value = block[i];
        if (masked) {
          const int8_t* mask = low_rank->mask(panel.low_scratch, half + i) + at;
          value += select(load_mask(mask), low[i], Vec{});
        }
        if (call.x_pre_activation) {
          value *= gelu_derivative(part.load(call.x_pre_activation.row(row) + at));
        }
        if (call.add_to_d_x) value += part.load(call.d_x.row(row) + at);
        part.store(call.d_x.row(row) + at, value);
      }
    }
  });
}

// The columns [first, last) of d_x, from packed columns of W: panels `block` floats apart, the
// first of them column `first`.
void input_gradient_columns(const Context& context, const linear::Backward& call,
                            const LowRank* low_rank, const InputPlan& plan, Range columns,
                            const float* packed, int64_t block) {
  const bool first_columns = columns.first == 0;
  context.pool->run(plan.cut.tasks(), [&](int64_t task, int worker) {
    const Range rows = plan.cut.block(task), groups = plan.cut.chunk(task);
    float* scratch = plan.worker + worker * plan.cut.largest_block() * plan.panel_floats;
    const auto over_panels_of_rows = [&](const auto& body) {
      for (int64_t p = rows.first; p < rows.last; ++p) {
        body(panel_at(plan, call.dy.rows, p, scratch + (p - rows.first) * plan.panel_floats));
      }
    };
    over_panels_of_rows([&](const Panel& panel) {
      turn_rows(call, {panel.row, panel.row + panel.rows}, {0, plan.n}, panel.turned);
      if (low_rank != nullptr) {
        low_rank->begin(panel.row, panel.rows, panel.turned,
                        first_columns && plan.cut.first_chunk(task), panel.low_scratch);
      }
    });
    for (int64_t group = groups.first; group < groups.last; ++group) {
      const int64_t first = columns.first + group * kGroup;
      const int64_t last = smaller(first + kGroup, columns.last);
      for (int64_t j = first; j < last; j += kTileRows) {
        const int64_t width = smaller(kTileRows, last - j);
        over_panels_of_rows([&](const Panel& panel) {
          float* tile = panel.result + (j - first) * kPanel;
          if (low_rank != nullptr) {
            low_rank->multiply(panel.low_scratch, j, width, panel.rows,
                               plan.masked ? panel.low + (j - first) * kPanel : tile);
          }
          multiply_tile({packed + (j - columns.first) * kPanel, block, panel.turned, kPanel,
                         plan.n},
                        width, panel.rows, tile, kPanel, low_rank != nullptr && !plan.masked);
        });
      }
      over_panels_of_rows([&](const Panel& panel) {
        finish_group(call, low_rank, panel, first, last - first);
      });
    }
  });
}

// ---- d_weight and d_bias ----

// Tiles of d_weight's rows that a task turns dy for at once, at most.
constexpr int64_t kMostTiles = 16;

struct ParameterPlan {
  Cut cut;  // tiles of d_weight's rows by panels of its columns
  int64_t turned_floats, worker_floats;
  float* worker;
  size_t bytes;

  ParameterPlan(const Context& context, const linear::Backward& call, void* workspace)
      : cut(divide_up(call.w.n, kTileRows), kMostTiles, divide_up(call.w.k, kPanel),
            context.pool->threads()) {
    turned_floats = kStepRows * cut.largest_block() * kTileRows;
    worker_floats = turned_floats + kStepRows * kPanel;
    Scratch scratch(workspace);
    worker = scratch.floats(context.pool->threads() * worker_floats);
    bytes = scratch.used();
  }
};

// sums[j] (+)= the rows' sum of dy's columns [first, last), row by row.
void sum_columns(const linear::Backward& call, Range rows, Range columns, bool add) {
  float* sums = call.d_bias.data + columns.first;
  over_vectors(columns.last - columns.first, [&](int64_t j, auto part) {
    Vec sum = add ? part.load(sums + j) : Vec{};
    for (int64_t i = rows.first; i < rows.last; ++i) {
      sum += splat(call.row_scale[i]) * part.load(call.dy.row(i) + columns.first + j);
    }
    part.store(sums + j, sum);
  });
}

}  // namespace

void pack_columns(const Matrix& x, Range rows, int64_t column, int64_t columns, float* packed) {
  for (int64_t i = rows.first; i < rows.last; ++i, packed += kPanel) {
    const float* from = x.row(i) + column;
    store(packed + kLanes, Vec{});
    over_vectors(columns, [&](int64_t j, auto part) { store(packed + j, part.load(from + j)); });
  }
}

void add_products(const Matrix& result, Range outputs, int64_t column, const float* turned,
                  int64_t block, const float* columns, int64_t steps, bool add) {
  const int64_t width = smaller(kPanel, result.columns - column);
  const bool whole = width == kPanel || width == kLanes;
  for (int64_t n = outputs.first; n < outputs.last; n += kTileRows) {
    const int64_t count = smaller(kTileRows, outputs.last - n);
    const Steps product{turned + (n - outputs.first) * kPanel, block, columns, kPanel, steps};
    float* place = result.row(n) + column;
    if (whole) {
      multiply_tile(product, count, width, place, result.stride, add);
      continue;
    }
    alignas(LK_ALIGNMENT) float tile[kTileRows * kPanel];
    for (int64_t i = 0; i < count && add; ++i) {
      __builtin_memcpy(tile + i * kPanel, place + i * result.stride, width * 4);
    }
    multiply_tile(product, count, width, tile, kPanel, add);
    for (int64_t i = 0; i < count; ++i) {
      __builtin_memcpy(place + i * result.stride, tile + i * kPanel, width * 4);
    }
  }
}

size_t input_gradient_workspace(const Context& context, const linear::Backward& call,
                                const LowRank* low_rank) {
  return InputPlan(context, call, low_rank, nullptr).bytes;
}

void input_gradient(const Context& context, const linear::Backward& call, const LowRank* low_rank,
                    void* workspace) {
  InputPlan plan(context, call, low_rank, workspace);
  if (!call.d_x) {
    plan.cut.columns = 0;
    plan.cut.chunks = 1;
    input_gradient_columns(context, call, low_rank, plan, {0, 0}, nullptr, 0);
    return;
  }
  if (call.w.packed) {
    input_gradient_columns(context, call, low_rank, plan, {0, call.w.k}, call.w.row(0),
                           call.w.k * kPanel);
    return;
  }
  for (int64_t k = 0; k < call.w.k; k += plan.chunk_columns) {
    const Range columns{k, smaller(k + plan.chunk_columns, call.w.k)};
    const int64_t count = columns.last - columns.first;
    plan.cut.columns = divide_up(count, kGroup);
    pack_panels(context, plain_rows(call.w), {0, divide_up(plan.n, kPanel)}, k, count, plan.chunk);
    input_gradient_columns(context, call, low_rank, plan, columns, plan.chunk, count * kPanel);
  }
}

size_t parameter_gradient_workspace(const Context& context, const linear::Backward& call) {
  return ParameterPlan(context, call, nullptr).bytes;
}

void parameter_gradient(const Context& context, const linear::Backward& call, void* workspace) {
  ParameterPlan plan(context, call, workspace);
  if (!call.d_weight) {
    plan.cut.columns = 0;
    plan.cut.chunks = 1;
  }
  context.pool->run(plan.cut.tasks(), [&](int64_t task, int worker) {
    const Range tiles = plan.cut.block(task), panels = plan.cut.chunk(task);
    const Range outputs{tiles.first * kTileRows, smaller(tiles.last * kTileRows, call.w.n)};
    float* turned = plan.worker + worker * plan.worker_floats;
    float* x = turned + plan.turned_floats;
    for (int64_t row = 0; row < call.dy.rows; row += kStepRows) {
      const Range rows{row, smaller(row + kStepRows, call.dy.rows)};
      const bool add = call.add_to_parameters || row > 0;
      if (call.d_bias && plan.cut.first_chunk(task)) sum_columns(call, rows, outputs, add);
      if (!call.d_weight) continue;
      const int64_t width = outputs.last - outputs.first;
      for (int64_t i = rows.first; i < rows.last; i += kPanel) {
        turn_rows(call, {i, smaller(i + kPanel, rows.last)}, outputs,
                  turned + (i - rows.first) * width);
      }
      for (int64_t p = panels.first; p < panels.last; ++p) {
        pack_columns(call.x, rows, p * kPanel, smaller(kPanel, call.w.k - p * kPanel), x);
        add_products(call.d_weight, outputs, p * kPanel, turned, width * kPanel, x,
                     rows.last - rows.first, add);
      }
    }
  });
}

size_t linear_backward_workspace(const Context& context, const linear::Backward& call) {
  return static_cast<size_t>(
      larger(static_cast<int64_t>(input_gradient_workspace(context, call, nullptr)),
             static_cast<int64_t>(parameter_gradient_workspace(context, call))));
}

lk_status linear_backward(const Context& context, const linear::Backward& call) {
  const Size sizes[] = {{"m", call.dy.rows}, {"n", call.w.n}, {"k", call.w.k}};
  describe_sizes(sizes, 3);
  if (call.d_x) input_gradient(context, call, nullptr, context.workspace);
  if (call.d_weight || call.d_bias) parameter_gradient(context, call, context.workspace);
  return LK_OK;
}

}  // namespace lk::LK_ISA
