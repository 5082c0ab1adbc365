// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Forward: y = x Wᵀ + bias and the epilogue.
#include "linear/cpu.h"

namespace lk::LK_ISA {

void pack_panels(const Context& context, const Matrix& rows, Range panels, int64_t column,
                 int64_t columns, float* packed) {
  context.pool->run(panels.last - panels.first, [&](int64_t i, int) {
    const int64_t row = (panels.first + i) * kPanel;
    pack_turned(rows.row(row) + column, rows.stride, smaller(kPanel, rows.rows - row), columns,
                nullptr, packed + i * columns * kPanel);
  });
}

void finish_tile(const Output& output, const float* tile, int64_t row, int64_t rows,
                 int64_t column) {
  const linear::Epilogue& epilogue = output.epilogue;
  const int64_t columns = smaller(kPanel, output.y.columns - column);
  for (int64_t i = row; i < row + rows; ++i, tile += kPanel) {
    const Vec scale = splat(epilogue.row_scale[i]);
    over_vectors(columns, [&](int64_t j, auto part) {
      const int64_t at = column + j;
      Vec z = load(tile + j);
      if (output.bias) z += part.load(output.bias.data + at);
      if (epilogue.pre_activation) part.store(epilogue.pre_activation.row(i) + at, z);
      if (epilogue.gelu) z = gelu(z);
      if (epilogue.row_scale) z *= scale;
      if (epilogue.residual) z += part.load(epilogue.residual.row(i) + at);
      part.store(output.y.row(i) + at, z);
    });
  }
}

size_t weight_prepare_bytes(const Context&, const linear::Prepare& call) {
  return call.packed ? static_cast<size_t>(packed_weight_floats(call.w.rows, call.w.columns)) * 4
                     : 0;
}

lk_status weight_prepare(const Context& context, const linear::Prepare& call) {
  if (!call.packed) return LK_OK;
  pack_panels(context, call.w, {0, divide_up(call.w.rows, kPanel)}, 0, call.w.columns,
              static_cast<float*>(call.storage));
  return LK_OK;
}

size_t linear_forward_workspace(const Context& context, const linear::Forward& call) {
  return ProductPlan(context, call.x.rows, call.w, nullptr).bytes;
}

lk_status linear_forward(const Context& context, const linear::Forward& call) {
  const int64_t k = call.w.k;
  const Size sizes[] = {{"m", call.x.rows}, {"n", call.w.n}, {"k", k}};
  describe_sizes(sizes, 3);
  ProductPlan plan(context, call.x.rows, call.w, context.workspace);
  const Output output{call.bias, call.epilogue, call.y};
  over_panels(context, call.w, plan.chunk, [&](Range panels, const float* packed) {
    plan.tiles.cut.columns = panels.last - panels.first;
    over_tiles(
        context, plan.tiles, plan.packed_rows,
        [&](int64_t row, int64_t rows, float* tile) {
          pack_rows(call.x.row(row), call.x.stride, rows, k, tile);
        },
        [&](int64_t row, int64_t rows, int64_t panel, const float* x) {
          alignas(LK_ALIGNMENT) float tile[kTileRows * kPanel];
          const int64_t column = (panels.first + panel) * kPanel;
          multiply_tile({x, rows * kPanel, packed + panel * k * kPanel, kPanel, k}, rows,
                        call.w.n - column, tile, kPanel, false);
          finish_tile(output, tile, row, rows, column);
        });
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
