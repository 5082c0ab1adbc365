// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Backward in two passes over dy: dh and d_x by rows, then d_b and d_a by their own elements.
#include "lora/cpu.h"

namespace lk::LK_ISA {
namespace {

// Turned [panels of rows][groups * rank][kPanel]: what the second pass multiplies with.
struct TurnedRows {
  float *dh, *h;
  int64_t panel_floats;

  TurnedRows(int64_t rows, int64_t width, Scratch& scratch) : panel_floats(width * kPanel) {
    dh = scratch.floats(divide_up(rows, kPanel) * panel_floats);
    h = scratch.floats(divide_up(rows, kPanel) * panel_floats);
  }
};

// dh = c dy B, and mask ∘ (dh A) as a part of d_x.
class BackwardTerm final : public LowRank {
 public:
  BackwardTerm(const lora::Backward& call, const PackedAdapter& packed, const TurnedRows& turned)
      : call_(call), packed_(packed), turned_(turned), dropout_(call.adapter, call.linear.w.k) {
    masked = dropout_.active();
    mask_stride_ = round_up(call.linear.w.k, kPanel);
    panel_floats = turned.panel_floats + mask_stride_ * kPanel / 4;
  }

  void begin(int64_t row, int64_t rows, const float* dy, bool keep_results,
             float* scratch) const override {
    const int64_t rank = call_.adapter.rank;
    for (int64_t g = 0; g < call_.adapter.groups; ++g) {
      const Range columns = packed_.columns(g);
      for (int64_t j = 0; j < rank; j += kTileRows) {
        multiply_tile({packed_.b(g, packed_.panels(g).first) + j * kPanel, rank * kPanel,
                       dy + columns.first * kPanel, kPanel, columns.last - columns.first},
                      smaller(kTileRows, rank - j), rows, scratch + (g * rank + j) * kPanel, kPanel,
                      false);
      }
    }
    const Vec factor = splat(call_.adapter.factor());
    for (int64_t i = 0; i < turned_.panel_floats; i += kLanes) {
      store(scratch + i, load(scratch + i) * factor);
    }
    if (keep_results) keep_turned_rows(row, rows, scratch);
    if (masked && call_.linear.d_x) draw_mask(row, rows, mask_of(scratch));
  }

  void multiply(const float* scratch, int64_t column, int64_t columns, int64_t rows,
                float* tile) const override {
    multiply_tile({packed_.a() + column * kPanel, call_.linear.w.k * kPanel, scratch, kPanel,
                   call_.adapter.rows()},
                  columns, rows, tile, kPanel, false);
  }

  const int8_t* mask(const float* scratch, int64_t row_in_panel) const override {
    return reinterpret_cast<const int8_t*>(scratch + turned_.panel_floats) +
           row_in_panel * mask_stride_;
  }

 private:
  int8_t* mask_of(float* scratch) const {
    return reinterpret_cast<int8_t*>(scratch + turned_.panel_floats);
  }

  void keep_turned_rows(int64_t row, int64_t rows, const float* dh) const {
    const int64_t at = row / kPanel * turned_.panel_floats;
    __builtin_memcpy(turned_.dh + at, dh, static_cast<size_t>(turned_.panel_floats) * 4);
    float scales[kPanel];
    for (int64_t i = 0; i < rows; ++i) scales[i] = call_.linear.row_scale[row + i];
    pack_turned(call_.h.row(row), call_.h.stride, rows, call_.adapter.rows(),
                call_.linear.row_scale ? scales : nullptr, turned_.h + at);
  }

  void draw_mask(int64_t row, int64_t rows, int8_t* mask) const {
    for (int64_t i = 0; i < rows; ++i, mask += mask_stride_) {
      for (int64_t j = 0; j < call_.linear.w.k; j += kLanes) {
        store_mask(mask + j, dropout_.mask(row + i, j));
      }
    }
  }

  const lora::Backward& call_;
  const PackedAdapter& packed_;
  const TurnedRows& turned_;
  Dropout dropout_;
  int64_t mask_stride_;
};

struct BackwardPlan {
  Scratch scratch;
  PackedAdapter packed;
  TurnedRows turned;
  BackwardTerm term;
  int64_t worker_floats;  // of the second pass
  float *worker, *rest;   // rest: what the linear layer's passes ask for
  size_t bytes;

  BackwardPlan(const Context& context, const lora::Backward& call, void* workspace)
      : scratch(workspace),
        packed(call.adapter, call.linear.w.n, call.linear.w.k, scratch),
        turned(call.linear.dy.rows, call.adapter.rows(), scratch),
        term(call, packed, turned),
        worker_floats((kStepRows + round_up(call.adapter.rank, kLanes)) * kPanel) {
    const int64_t gradients = context.pool->threads() * worker_floats;
    const int64_t first = static_cast<int64_t>(
        input_gradient_workspace(context, call.linear, &term) / 4);
    const int64_t last = static_cast<int64_t>(
        parameter_gradient_workspace(context, call.linear) / 4);
    worker = rest = scratch.floats(larger(gradients, larger(first, last)));
    bytes = scratch.used();
  }
};

// d_b of at most kPanel of a group's columns: the sums, turned, over all rows of h ∘ dy.
void gradient_of_b(const lora::Backward& call, const TurnedRows& turned, int64_t g, int64_t first,
                   int64_t columns, float* scratch) {
  const linear::Backward& base = call.linear;
  const int64_t rank = call.adapter.rank;
  const lora::Group& group = call.adapter.group[g];
  float* sums = scratch + kStepRows * kPanel;  // [rank][kPanel]
  const auto d_b = [&](int64_t column) { return call.d_b.row(group.b_row + first + column); };
  for (int64_t column = 0; column < columns && base.add_to_parameters; ++column) {
    for (int64_t j = 0; j < rank; ++j) sums[j * kPanel + column] = d_b(column)[j];
  }
  const bool whole = columns == kPanel || columns == kLanes;
  for (int64_t row = 0; row < base.dy.rows; row += kStepRows) {
    const Range rows{row, smaller(row + kStepRows, base.dy.rows)};
    const float* dy = base.dy.row(row) + group.first + first;
    if (!whole) pack_columns(base.dy, rows, group.first + first, columns, scratch);
    for (int64_t j = 0; j < rank; j += kTileRows) {
      const float* h = turned.h + row / kPanel * turned.panel_floats + (g * rank + j) * kPanel;
      multiply_tile({h, turned.panel_floats, whole ? dy : scratch,
                     whole ? base.dy.stride : kPanel, rows.last - rows.first},
                    smaller(kTileRows, rank - j), columns, sums + j * kPanel, kPanel,
                    base.add_to_parameters || row > 0);
    }
  }
  for (int64_t column = 0; column < columns; ++column) {
    for (int64_t j = 0; j < rank; ++j) d_b(column)[j] = sums[j * kPanel + column];
  }
}

// d_a's columns from `column` on, at most kPanel of them.
void gradient_of_a(const lora::Backward& call, const TurnedRows& turned, const Dropout& dropout,
                   int64_t column, float* scratch) {
  const linear::Backward& base = call.linear;
  const int64_t columns = smaller(kPanel, base.w.k - column);
  for (int64_t row = 0; row < base.dy.rows; row += kStepRows) {
    const Range rows{row, smaller(row + kStepRows, base.dy.rows)};
    pack_columns(base.x, rows, column, columns, scratch);
    for (int64_t i = rows.first; i < rows.last && dropout.active(); ++i) {
      float* x = scratch + (i - row) * kPanel;
      for (int64_t j = 0; j < columns; j += kLanes) {
        store(x + j, select(dropout.mask(i, column + j), load(x + j), Vec{}));
      }
    }
    add_products(call.d_a, {0, call.adapter.rows()}, column,
                 turned.dh + row / kPanel * turned.panel_floats, turned.panel_floats, scratch,
                 rows.last - rows.first, base.add_to_parameters || row > 0);
  }
}

void adapter_gradients(const Context& context, const lora::Backward& call,
                       const BackwardPlan& plan) {
  const int64_t a_tasks = divide_up(call.linear.w.k, kPanel);
  int64_t tasks = a_tasks;
  for (int64_t g = 0; g < call.adapter.groups; ++g) {
    tasks += divide_up(call.adapter.group[g].columns, kPanel);
  }
  const Dropout dropout(call.adapter, call.linear.w.k);
  context.pool->run(tasks, [&](int64_t task, int worker) {
    float* scratch = plan.worker + worker * plan.worker_floats;
    if (task < a_tasks) {
      gradient_of_a(call, plan.turned, dropout, task * kPanel, scratch);
      return;
    }
    int64_t first = (task - a_tasks) * kPanel;
    for (int64_t g = 0; g < call.adapter.groups; ++g) {
      const int64_t columns = call.adapter.group[g].columns;
      if (first < columns) {
        gradient_of_b(call, plan.turned, g, first, smaller(kPanel, columns - first), scratch);
        return;
      }
      first -= round_up(columns, kPanel);
    }
  });
}

}  // namespace

size_t lora_linear_backward_workspace(const Context& context, const lora::Backward& call) {
  return BackwardPlan(context, call, nullptr).bytes;
}

lk_status lora_linear_backward(const Context& context, const lora::Backward& call) {
  const Size sizes[] = {{"m", call.linear.dy.rows}, {"n", call.linear.w.n},
                        {"k", call.linear.w.k},     {"groups", call.adapter.groups},
                        {"rank", call.adapter.rank}};
  describe_sizes(sizes, 5);
  const BackwardPlan plan(context, call, context.workspace);
  plan.packed.pack(context);
  input_gradient(context, call.linear, &plan.term, plan.rest);
  adapter_gradients(context, call, plan);
  if (call.linear.d_weight || call.linear.d_bias) {
    parameter_gradient(context, call.linear, plan.rest);
  }
  return LK_OK;
}

}  // namespace lk::LK_ISA
