// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Forward: h = c (mask ∘ x) Aᵀ, then y = [x | h] [W | B]ᵀ + bias and the epilogue, tile by tile.
#include "lora/cpu.h"

namespace lk::LK_ISA {
namespace {

// B of each group as panels of y's columns, [panels the group touches][steps over rank][kPanel], zero
// in the columns outside the group.
template <class T>
class PanelsOfB {
 public:
  PanelsOfB(const lora::Adapter& adapter, Scratch& scratch) : adapter_(adapter) {
    for (int64_t g = 0; g < adapter.groups; ++g) {
      b_[g] = scratch.floats(touched(g).size() * panel_units<T>(adapter.rank));
    }
  }

  void pack(const Context& context) const {
    for (int64_t g = 0; g < adapter_.groups; ++g) {
      context.pool->run(touched(g).size(), [&](int64_t i, int) {
        pack_panel(adapter_.group[g], (touched(g).first + i) * kPanel,
                   b_[g] + i * panel_units<T>(adapter_.rank));
      });
    }
  }
  // Group g's part of a panel, or NULL where the group does not touch it.
  const float* of(int64_t g, int64_t panel) const {
    const Range range = touched(g);
    if (panel < range.first || panel >= range.last) return nullptr;
    return b_[g] + (panel - range.first) * panel_units<T>(adapter_.rank);
  }

 private:
  Range touched(int64_t g) const {
    return {adapter_.group[g].first / kPanel, divide_up(adapter_.group[g].last(), kPanel)};
  }
  void pack_panel(const lora::Group& group, int64_t column, float* packed) const {
    float rows[kPanel][LK_MAX_LORA_RANK];
    for (int64_t lane = 0; lane < kPanel; ++lane) {
      const int64_t in_group = column + lane - group.first;
      const size_t bytes = static_cast<size_t>(adapter_.rank) * 4;
      if (in_group >= 0 && in_group < group.columns) {
        __builtin_memcpy(rows[lane], adapter_.b.row(group.b_row + in_group), bytes);
      } else {
        __builtin_memset(rows[lane], 0, bytes);
      }
    }
    pack_turned<T>(&rows[0][0], LK_MAX_LORA_RANK, kPanel, adapter_.rank, packed);
  }

  const lora::Adapter& adapter_;
  float* b_[LK_MAX_LORA_GROUPS];
};

// A packed tile holds, a row each: x, each group's h in blocks of its own, so that a group is a range
// of steps, and h as it is.
template <class T>
struct ForwardPlan {
  int64_t k, x_units, h_units, width;
  Scratch scratch;
  PanelsOfB<T> b;
  float* a;        // [panels of A's rows][steps over k][kPanel]
  float* dropped;  // each worker's rows of mask ∘ x, a tile
  Matrix h;
  float* rest;
  ProductPlan product;
  size_t bytes;

  // needs_h: no tensor may be given for it. Asked for the bytes, nothing is known yet.
  ForwardPlan(const Context& context, const lora::Forward& call, bool needs_h, void* workspace)
      : k(call.linear.w.k),
        x_units(row_units<T>(k)),
        h_units(row_units<T>(call.adapter.rank)),
        width(call.adapter.rows()),
        scratch(workspace),
        b(call.adapter, scratch),
        a(scratch.floats(packed_weight_floats<T>(width, k))),
        dropped(scratch.floats(context.pool->threads() * kTileRows * x_units)),
        h(needs_h ? Matrix{scratch.floats(call.linear.x.rows * width), call.linear.x.rows, width,
                           width}
                  : call.h),
        rest(scratch.floats(0)),
        product(context, call.linear.x.rows, x_units + call.adapter.groups * h_units + width,
                Panels::forward<T>(call.linear.w), rest) {
    bytes = scratch.used() + product.bytes;
  }
};

// Fills a tile: its rows of h come from the product with A, or, where an earlier pass over these rows
// made them, from there.
template <class T>
void pack_tile(const lora::Forward& call, const ForwardPlan<T>& plan, const Dropout& dropout,
               int64_t row, int64_t rows, bool made, bool keep, float* dropped, float* tile) {
  const Matrix& x = call.linear.x;
  const lora::Adapter& adapter = call.adapter;
  float* packed_h = tile + plan.x_units * rows;
  float* own_h = packed_h + adapter.groups * plan.h_units * rows;
  pack_rows<T>(x.row_of<T>(row), x.stride, rows, plan.k, tile);
  if (!made) {
    if (dropout.active()) dropout.drop<T>(row, rows, tile, dropped);
    project<T>(dropout.active() ? dropped : tile, rows, plan.a, panel_units<T>(plan.k), plan.k,
               plan.width, adapter.factor(), own_h, plan.width);
    for (int64_t r = 0; r < rows && keep; ++r) {
      __builtin_memcpy(plan.h.row(row + r), own_h + r * plan.width,
                       static_cast<size_t>(plan.width) * 4);
    }
  }
  for (int64_t g = 0; g < adapter.groups; ++g) {
    pack_rows<T>((made ? plan.h.row(row) : own_h) + g * adapter.rank,
                 made ? plan.h.stride : plan.width, rows, adapter.rank,
                 packed_h + g * plan.h_units * rows);
  }
}

template <class T>
void forward(const Context& context, const lora::Forward& call) {
  const linear::Forward& base = call.linear;
  ForwardPlan<T> plan(context, call, !call.h, context.workspace);
  const int64_t k = plan.k, rank = call.adapter.rank;
  plan.b.pack(context);
  pack_panels<T, float>(context, call.adapter.a, {0, divide_up(plan.width, kPanel)}, plan.a);
  const Dropout dropout(call.adapter, k);
  const Output output{base.bias, base.epilogue, base.y};
  over_forward_panels<T>(context, base.w, plan.product.chunk,
                         [&](Range panels, const float* packed) {
    over_tiles(
        context, plan.product.meeting(panels), plan.product.packed_rows,
        [&](int64_t row, int64_t rows, float* tile, bool keep, int worker) {
          pack_tile<T>(call, plan, dropout, row, rows, panels.first > 0, keep,
                       plan.dropped + worker * kTileRows * plan.x_units, tile);
        },
        [&](int64_t row, int64_t rows, int64_t panel, const float* x) {
          alignas(LK_ALIGNMENT) float tile[kTileRows * kPanel];
          const int64_t block = rows * kPanel, index = panels.first + panel;
          const int64_t columns = base.w.n - index * kPanel;
          const int64_t column = index * kPanel;
          Steps steps{{x, block, packed + panel * panel_units<T>(k), kPanel, steps_of<T>(k)},
                      {tile_of<T>(output.y, row, column),
                       tile_of<T>(output.beside(), row, column)}};
          // A group's steps follow W's in the same registers; in a panel that several groups touch, those of
          // each other one are a product of their own.
          bool add = false;
          const auto multiply_then = [&](const Operands& next) {
            multiply_tile<T>(steps, rows, columns, tile, kPanel, add);
            steps = {next};
            add = true;
          };
          for (int64_t g = 0; g < call.adapter.groups; ++g) {
            const float* b = plan.b.of(g, index);
            if (b == nullptr) continue;
            const Operands low{x + (plan.x_units + g * plan.h_units) * rows, block, b, kPanel,
                               steps_of<T>(rank)};
            if (steps.then.count == 0) {
              steps.then = low;
            } else {
              multiply_then(low);
            }
          }
          multiply_then({});
          finish_tile<T>(output, tile, row, rows, column);
        });
  });
}

}  // namespace

size_t lora_linear_forward_workspace(const Context& context, const lora::Forward& call) {
  size_t bytes = 0;
  with_elements(call.dtype(), [&](auto element) {
    bytes = ForwardPlan<decltype(element)>(context, call, true, nullptr).bytes;
  });
  return bytes;
}

lk_status lora_linear_forward(const Context& context, const lora::Forward& call) {
  const Size sizes[] = {{"m", call.linear.x.rows}, {"n", call.linear.w.n},
                        {"k", call.linear.w.k},    {"groups", call.adapter.groups},
                        {"rank", call.adapter.rank}};
  describe_sizes(sizes, 5);
  with_elements(call.dtype(), [&](auto element) { forward<decltype(element)>(context, call); });
  return LK_OK;
}

}  // namespace lk::LK_ISA
