// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Elementwise operations over rows: out = op(in...), in one pass.
#pragma once

#include "common/cuda/rows.cuh"

namespace lk::cuda {

// A thread makes kElements neighbours of a row.
template <class T, int kElements, class Op, class... In>
__global__ void map_kernel(int64_t rows, int64_t chunks, Rows<T> out, Op op, In... in) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= rows * chunks) return;
  const int64_t i = index / chunks, j = index % chunks * kElements;
  Floats<kElements> result;
  const auto combine = [&](const auto&... chunk) {
#pragma unroll
    for (int e = 0; e < kElements; ++e) result.v[e] = op(chunk.v[e]...);
  };
  combine(load_floats<kElements>(in.at(i, j))...);
  store_floats(out.at(i, j), result);
}

template <class T, class>
using RowsOf = Rows<T>;

// out and every in are Matrix of T; op takes as many floats as there are inputs. In place is fine: a
// thread reads its elements before it writes them.
template <class T, class Op, class... In>
lk_status map_rows(const char* name, const Context& context, const Matrix& out, Op op,
                   const In&... in) {
  constexpr int kThreads = 256, kWide = kChunkElements<T>;
  const bool wide = (has_chunks<T>(out) && ... && has_chunks<T>(in));
  const int64_t chunks = wide ? out.columns / kWide : out.columns;
  const LaunchShape shape = {ceil_divide(out.rows * chunks, kThreads), kThreads};
  if (wide) {
    return launch(name, map_kernel<T, kWide, Op, RowsOf<const T, In>...>, context, shape, out.rows,
                  chunks, rows_of<T>(out), op, rows_of<const T>(in)...);
  }
  return launch(name, map_kernel<T, 1, Op, RowsOf<const T, In>...>, context, shape, out.rows, chunks,
                rows_of<T>(out), op, rows_of<const T>(in)...);
}

}  // namespace lk::cuda
