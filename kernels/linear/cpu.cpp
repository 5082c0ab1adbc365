// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Forward: y = x Wᵀ + bias and the epilogue.
#include "common/gelu_simd.h"
#include "linear/cpu.h"

namespace lk::LK_ISA {

template <class T>
void finish_tile(const Output& output, const float* tile, int64_t row, int64_t rows,
                 int64_t column) {
  const linear::Epilogue& epilogue = output.epilogue;
  const int64_t columns = smaller(kPanel, output.y.columns - column);
  for (int64_t i = row; i < row + rows; ++i, tile += kPanel) {
    const Vec scale = splat(epilogue.row_scale[i]);
    T* y = output.y.row_of<T>(i) + column;
    over_output_groups<InOrder, 2>(y, columns, false, [&](int64_t j, auto group) {
      constexpr int kCount = group.kCount;
      const int64_t at = column + j;
      Vec z[kCount];
      for (int u = 0; u < kCount; ++u) z[u] = load(tile + j + u * kLanes);
      if (output.bias) add_loaded(group, output.bias.data + at, z);
      if (epilogue.pre_activation) group.store(epilogue.pre_activation.row_of<T>(i) + at, z);
      if (epilogue.gelu) gelu_each<T>(z);
      if (epilogue.row_scale) {
        for (Vec& each : z) each *= scale;
      }
      if (epilogue.residual) add_loaded(group, epilogue.residual.row_of<T>(i) + at, z);
      group.store(y + j, z);
    });
  }
}
template void finish_tile<float>(const Output&, const float*, int64_t, int64_t, int64_t);
template void finish_tile<Bf16>(const Output&, const float*, int64_t, int64_t, int64_t);

namespace {

template <class T>
ProductPlan forward_plan(const Context& context, const linear::Forward& call, void* workspace) {
  return {context, call.x.rows, row_units<T>(call.w.k), Panels::forward<T>(call.w), workspace};
}

template <class T>
void forward(const Context& context, const linear::Forward& call) {
  const int64_t k = call.w.k;
  ProductPlan plan = forward_plan<T>(context, call, context.workspace);
  const Output output{call.bias, call.epilogue, call.y};
  over_forward_panels<T>(context, call.w, plan.chunk, [&](Range panels, const float* packed) {
    over_tiles(
        context, plan.meeting(panels), plan.packed_rows,
        [&](int64_t row, int64_t rows, float* tile, bool, int) {
          pack_rows<T>(call.x.row_of<T>(row), call.x.stride, rows, k, tile);
        },
        [&](int64_t row, int64_t rows, int64_t panel, const float* x) {
          alignas(LK_ALIGNMENT) float tile[kTileRows * kPanel];
          const int64_t column = (panels.first + panel) * kPanel;
          multiply_tile<T>({x, rows * kPanel, packed + panel * panel_units<T>(k), kPanel,
                            steps_of<T>(k),
                            {tile_of<T>(output.y, row, column),
                             tile_of<T>(output.beside(), row, column)}},
                           rows, call.w.n - column, tile, kPanel, false);
          finish_tile<T>(output, tile, row, rows, column);
        });
  });
}

}  // namespace

size_t weight_prepare_bytes(const Context&, const linear::Prepare& call) {
  if (!call.packed) return 0;
  size_t bytes = 0;
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    const int64_t n = call.w.rows, k = call.w.columns;
    bytes = kWidened<T> ? static_cast<size_t>(n * k) * sizeof(T)
                        : static_cast<size_t>(packed_weight_floats<T>(n, k)) * sizeof(float);
  });
  return bytes;
}

lk_status weight_prepare(const Context& context, const linear::Prepare& call) {
  if (!call.packed) return LK_OK;
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    const int64_t n = call.w.rows, k = call.w.columns;
    if constexpr (kWidened<T>) {
      context.pool->run(n, [&](int64_t i, int) {
        __builtin_memcpy(static_cast<T*>(call.storage) + i * k, call.w.row_of<T>(i),
                         static_cast<size_t>(k) * sizeof(T));
      });
    } else {
      pack_panels<T, T>(context, call.w, {0, divide_up(n, kPanel)}, static_cast<float*>(call.storage));
    }
  });
  return LK_OK;
}

size_t linear_forward_workspace(const Context& context, const linear::Forward& call) {
  size_t bytes = 0;
  with_elements(call.dtype(), [&](auto element) {
    bytes = forward_plan<decltype(element)>(context, call, nullptr).bytes;
  });
  return bytes;
}

lk_status linear_forward(const Context& context, const linear::Forward& call) {
  const Size sizes[] = {{"m", call.x.rows}, {"n", call.w.n}, {"k", call.w.k}};
  describe_sizes(sizes, 3);
  with_elements(call.dtype(), [&](auto element) { forward<decltype(element)>(context, call); });
  return LK_OK;
}

}  // namespace lk::LK_ISA
