// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Elementwise operations over rows: out = op(in...), in one pass.
#pragma once

#include "common/cuda/launch.cuh"
#include "common/cuda/number.cuh"

namespace lk::cuda {

// Rows of activations on the device: element (i, j) is data[i * stride + j].
template <class T>
struct Rows {
  Global<T> data;
  int64_t stride;

  LK_DEVICE Global<T> at(int64_t i, int64_t j) const { return data + (i * stride + j); }
};
template <class T>
Rows<T> rows_of(const Matrix& matrix) {
  return {{reinterpret_cast<T*>(matrix.data)}, matrix.stride};
}

// Calls body(T{}) with the type of an activation.
template <class Body>
lk_status with_type(int32_t dtype, const Body& body) {
  switch (dtype) {
    case LK_BF16: return body(Bf16{});
    case LK_F16: return body(F16{});
    default: return body(float{});
  }
}

// Bytes that a thread moves at once where rows allow it.
constexpr int kChunkBytes = 16;

// Can every row be cut into aligned chunks of kChunkBytes?
template <class T>
bool has_chunks(const Matrix& matrix) {
  constexpr int kElements = kChunkBytes / sizeof(T);
  return reinterpret_cast<uintptr_t>(matrix.data) % kChunkBytes == 0 &&
         matrix.columns % kElements == 0 && (matrix.rows == 1 || matrix.stride % kElements == 0);
}

// A thread makes kElements neighbours of a row.
template <class T, int kElements, class Op, class... In>
__global__ void map_kernel(int64_t rows, int64_t chunks, Rows<T> out, Op op, In... in) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index >= rows * chunks) return;
  const int64_t i = index / chunks, j = index % chunks * kElements;
  using Chunk = Pack<T, kElements>;
  Chunk result;
  const auto combine = [&](const auto&... chunk) {
#pragma unroll
    for (int e = 0; e < kElements; ++e) result.v[e] = from_float<T>(op(to_float(chunk.v[e])...));
  };
  combine(load(in.at(i, j).template as<const Chunk>())...);
  store(out.at(i, j).template as<Chunk>(), result);
}

template <class T, class>
using RowsOf = Rows<T>;

// out and every in are Matrix of T; op takes as many floats as there are inputs. In place is fine: a
// thread reads its elements before it writes them.
template <class T, class Op, class... In>
lk_status map_rows(const char* name, const Context& context, const Matrix& out, Op op,
                   const In&... in) {
  constexpr int kThreads = 256, kWide = kChunkBytes / sizeof(T);
  const bool wide = (has_chunks<T>(out) && ... && has_chunks<T>(in));
  const int64_t chunks = wide ? out.columns / kWide : out.columns;
  const LaunchShape shape = {ceil_divide(out.rows * chunks, kThreads), kThreads};
  if (wide) {
    return launch(name, map_kernel<T, kWide, Op, RowsOf<T, In>...>, context, shape, out.rows, chunks,
                  rows_of<T>(out), op, rows_of<T>(in)...);
  }
  return launch(name, map_kernel<T, 1, Op, RowsOf<T, In>...>, context, shape, out.rows, chunks,
                rows_of<T>(out), op, rows_of<T>(in)...);
}

}  // namespace lk::cuda
