// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Forward: h = c (mask ∘ x) Aᵀ, then y = [x | h] [W | B]ᵀ + bias and the epilogue.
#include "lora/cpu.h"

namespace lk::LK_ISA {

void PackedAdapter::pack(const Context& context) const {
  pack_panels(context, adapter_.a, {0, divide_up(adapter_.rows(), kPanel)}, 0, k_, a_);
  for (int64_t g = 0; g < adapter_.groups; ++g) {
    const lora::Group& group = adapter_.group[g];
    const Range touched = panels(g);
    context.pool->run(touched.last - touched.first, [&](int64_t i, int) {
      const int64_t column = (touched.first + i) * kPanel;
      float* packed = b_[g] + i * adapter_.rank * kPanel;
      for (int64_t lane = 0; lane < kPanel; ++lane) {
        const int64_t in_group = column + lane - group.first;
        const bool inside = in_group >= 0 && in_group < group.columns;
        const float* row = adapter_.b.row(group.b_row + (inside ? in_group : 0));
        for (int64_t j = 0; j < adapter_.rank; ++j) {
          packed[j * kPanel + lane] = inside ? row[j] : 0.0f;
        }
      }
    });
  }
}

namespace {

// A packed row of h: each group's rank in blocks of its own, so that a group is a range of steps.
int64_t packed_h_floats(const lora::Adapter& adapter) {
  return adapter.groups * round_up(adapter.rank, kPanel);
}

struct ForwardPlan {
  Scratch scratch;
  PackedAdapter packed;
  RowTiles down, up;  // the products with A and with W
  Matrix h;
  float *chunk, *packed_rows;
  size_t bytes;

  // needs_h: no tensor may be given for it. Asked for the bytes, nothing is known yet.
  ForwardPlan(const Context& context, const lora::Forward& call, bool needs_h, void* workspace)
      : scratch(workspace),
        packed(call.adapter, call.linear.w.n, call.linear.w.k, scratch),
        down(call.linear.x.rows, round_up(call.linear.w.k, kPanel),
             divide_up(call.adapter.rows(), kPanel), context.pool->threads()),
        up(call.linear.x.rows, round_up(call.linear.w.k, kPanel) + packed_h_floats(call.adapter),
           call.linear.w.packed ? divide_up(call.linear.w.n, kPanel)
                                : panels_a_chunk(call.linear.w),
           context.pool->threads()),
        h(call.h) {
    const int threads = context.pool->threads();
    chunk = scratch.floats(forward_chunk_floats(call.linear.w));
    packed_rows = scratch.floats(larger(down.scratch_floats(threads), up.scratch_floats(threads)));
    if (needs_h) {
      const int64_t width = call.adapter.rows();
      h = {scratch.floats(call.linear.x.rows * width), call.linear.x.rows, width, width};
    }
    bytes = scratch.used();
  }
};

// Rows of mask ∘ x as a scalar operand.
void pack_kept_rows(const linear::Forward& call, const Dropout& dropout, int64_t row, int64_t rows,
                    float* packed) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* x = call.x.row(row + r);
    over_vectors(call.w.k, [&](int64_t j, auto part) {
      const Vec kept = select(dropout.mask(row + r, j), part.load(x + j), Vec{});
      store(packed + (j / kPanel * rows + r) * kPanel + j % kPanel, kept);
    });
  }
}

void project_down(const Context& context, const lora::Forward& call, const ForwardPlan& plan) {
  const linear::Forward& base = call.linear;
  const int64_t k = base.w.k, width = call.adapter.rows();
  const Dropout dropout(call.adapter, k);
  const Vec factor = splat(call.adapter.factor());
  over_tiles(
      context, plan.down, plan.packed_rows,
      [&](int64_t row, int64_t rows, float* packed) {
        if (dropout.active()) {
          pack_kept_rows(base, dropout, row, rows, packed);
        } else {
          pack_rows(base.x.row(row), base.x.stride, rows, k, packed);
        }
      },
      [&](int64_t row, int64_t rows, int64_t panel, const float* x) {
        alignas(LK_ALIGNMENT) float tile[kTileRows * kPanel];
        const int64_t column = panel * kPanel;
        multiply_tile({x, rows * kPanel, plan.packed.a() + column * k, kPanel, k}, rows,
                      width - column, tile, kPanel, false);
        for (int64_t r = 0; r < rows; ++r) {
          over_vectors(smaller(kPanel, width - column), [&](int64_t j, auto part) {
            part.store(plan.h.row(row + r) + column + j, load(tile + r * kPanel + j) * factor);
          });
        }
      });
}

void project_up(const Context& context, const lora::Forward& call, ForwardPlan& plan) {
  const linear::Forward& base = call.linear;
  const int64_t k = base.w.k, rank = call.adapter.rank;
  const int64_t x_floats = round_up(k, kPanel), h_floats = round_up(rank, kPanel);
  const Output output{base.bias, base.epilogue, base.y};
  over_panels(context, base.w, plan.chunk, [&](Range panels, const float* packed) {
    plan.up.cut.columns = panels.last - panels.first;
    over_tiles(
        context, plan.up, plan.packed_rows,
        [&](int64_t row, int64_t rows, float* tile) {
          pack_rows(base.x.row(row), base.x.stride, rows, k, tile);
          for (int64_t g = 0; g < call.adapter.groups; ++g) {
            pack_rows(plan.h.row(row) + g * rank, plan.h.stride, rows, rank,
                      tile + (x_floats + g * h_floats) * rows);
          }
        },
        [&](int64_t row, int64_t rows, int64_t panel, const float* tile_rows) {
          alignas(LK_ALIGNMENT) float tile[kTileRows * kPanel];
          const int64_t block = rows * kPanel, index = panels.first + panel;
          const int64_t columns = base.w.n - index * kPanel;
          multiply_tile({tile_rows, block, packed + panel * k * kPanel, kPanel, k}, rows, columns,
                        tile, kPanel, false);
          for (int64_t g = 0; g < call.adapter.groups; ++g) {
            if (!plan.packed.touches(g, index)) continue;
            multiply_tile({tile_rows + (x_floats + g * h_floats) * rows, block,
                           plan.packed.b(g, index), kPanel, rank},
                          rows, columns, tile, kPanel, true);
          }
          finish_tile(output, tile, row, rows, index * kPanel);
        });
  });
}

}  // namespace

size_t lora_linear_forward_workspace(const Context& context, const lora::Forward& call) {
  return ForwardPlan(context, call, true, nullptr).bytes;
}

lk_status lora_linear_forward(const Context& context, const lora::Forward& call) {
  const Size sizes[] = {{"m", call.linear.x.rows}, {"n", call.linear.w.n},
                        {"k", call.linear.w.k},    {"groups", call.adapter.groups},
                        {"rank", call.adapter.rank}};
  describe_sizes(sizes, 5);
  ForwardPlan plan(context, call, !call.h, context.workspace);
  plan.packed.pack(context);
  project_down(context, call, plan);
  project_up(context, call, plan);
  return LK_OK;
}

}  // namespace lk::LK_ISA
