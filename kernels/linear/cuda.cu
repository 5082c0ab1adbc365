// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The linear layer on CUDA devices: the tensor cores' product where dtype and alignment allow, the
// plain product else. README.md has the launch table.
#include "linear/cuda.cuh"

#include "cuda_operations.h"

namespace lk::cuda {
namespace {

constexpr int kThreads = 256;

// Copies rows to packed ones, a thread an element of the packed.
template <class T>
__global__ void pack_rows(int64_t rows, int64_t columns, Rows<const T> from, Rows<T> to) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t i = index / to.stride, j = index % to.stride;
  if (i >= rows) return;
  store(to.at(i, j), j < columns ? load(from.at(i, j)) : T{});
}

// Column sums of scaled dy, the rows in parts: a thread a column of a part.
constexpr int64_t kBiasRows = 256;
template <class T>
__global__ void sum_columns(int64_t rows, int64_t columns, ScaledColumns<T> dy, Global<float> parts) {
  const int64_t j = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (j >= columns) return;
  const int64_t first = blockIdx.y * kBiasRows;
  const int64_t end = first + kBiasRows < rows ? first + kBiasRows : rows;
  float sum = 0;
  for (int64_t i = first; i < end; ++i) sum += dy(j, i);
  store(parts + (blockIdx.y * columns + j), sum);
}

int64_t bias_parts(int64_t rows) { return ceil_divide(rows, kBiasRows); }

size_t bytes_of(int64_t floats) { return static_cast<size_t>(floats) * sizeof(float); }

template <class T>
lk_status weight_gradient(const Context& context, const linear::Backward& call) {
  const int64_t n = call.w.n, k = call.w.k, m = call.dy.rows, parts = split_of(n, k, m);
  const Global<float> scratch = {static_cast<float*>(context.workspace)};
  const StorePart store_part = {scratch, n, k};
  const Rows<const T> dy = rows_of<const T>(call.dy), x = rows_of<const T>(call.x);
  const RowScale scale = scale_of(call.row_scale);
  constexpr bool kTf32 = std::is_same_v<T, float>;  // scaled or not, one kernel
  if (!on_tensor_cores<T>(context) || !has_chunks<T>(call.dy) || !has_chunks<T>(call.x)) {
    LK_TRY(multiply_plain("linear_d_weight_plain", context, n, k, m, parts, ScaledColumns<T>{dy, scale},
                          ColumnsOperand<T>{x}, store_part));
  } else if (kTf32 || call.row_scale) {
    LK_TRY((multiply_chunks<T, LargeTile>("linear_d_weight_scaled", context, n, k, m, parts,
                                          ScaledChunks<T>{dy, scale}, ScaledChunks<T>{x, {}},
                                          store_part)));
  } else if constexpr (!kTf32) {
    LK_TRY(multiply_tiles("linear_d_weight", context, n, k, m, parts, ChunkRows<T, false>{dy},
                          ChunkRows<T, false>{x}, NoLowRank{}, store_part));
  }
  return sum_parts("linear_d_weight_sum", context,
                   SumParts{scratch, parts, n, k, rows_of<float>(call.d_weight), call.add_to_parameters});
}

template <class T>
lk_status bias_gradient(const Context& context, const linear::Backward& call) {
  const int64_t n = call.w.n, m = call.dy.rows, parts = bias_parts(m);
  const Global<float> scratch = {static_cast<float*>(context.workspace)};
  LaunchShape shape = {ceil_divide(n, kThreads), kThreads};
  shape.blocks_y = parts;
  LK_TRY(launch("linear_d_bias_plain", sum_columns<T>, context, shape, m, n,
                ScaledColumns<T>{rows_of<const T>(call.dy), scale_of(call.row_scale)}, scratch));
  return sum_parts("linear_d_bias_sum", context,
                   SumParts{scratch, parts, 1, n, {{call.d_bias.data}, n}, call.add_to_parameters});
}

}  // namespace

size_t weight_prepare_bytes(const Context&, const linear::Prepare& call) {
  if (!call.packed) return 0;
  const int64_t stride = packed_stride(call.w.columns, call.w.dtype);
  return static_cast<size_t>(call.w.rows * stride * dtype_bytes(call.w.dtype));
}

lk_status weight_prepare(const Context& context, const linear::Prepare& call) {
  if (!call.packed) return LK_OK;
  const int64_t stride = packed_stride(call.w.columns, call.w.dtype);
  return with_type(call.w.dtype, [&](auto type) {
    using T = decltype(type);
    return launch("weight_prepare", pack_rows<T>, context,
                  LaunchShape{ceil_divide(call.w.rows * stride, kThreads), kThreads}, call.w.rows,
                  call.w.columns, rows_of<const T>(call.w), Rows<T>{{static_cast<T*>(call.storage)}, stride});
  });
}

size_t linear_forward_workspace(const Context&, const linear::Forward&) { return 0; }

lk_status linear_forward(const Context& context, const linear::Forward& call) {
  return with_type(call.dtype(), [&](auto type) {
    using T = decltype(type);
    if (takes_forward<T>(context, call)) {
      describe_kernel(tensor_cores_of<T>());
      return multiply_tiles("linear_forward", context, call.x.rows, call.w.n, call.w.k, 1,
                            ChunkRows<T, true>{rows_of<const T>(call.x)},
                            ChunkRows<T, true>{rows_of<T>(call.w)}, NoLowRank{},
                            ForwardEpilogue<T>(call));
    }
    describe_kernel("cuda plain");
    return multiply_plain("linear_forward_plain", context, call.x.rows, call.w.n, call.w.k, 1,
                          RowsOperand<T>{rows_of<const T>(call.x)}, RowsOperand<T>{rows_of<T>(call.w)},
                          ForwardEpilogue<T>(call));
  });
}

lk_status input_gradient(const Context& context, const linear::Backward& call) {
  return with_type(call.dtype(), [&](auto type) {
    using T = decltype(type);
    if (takes_input_gradient<T>(context, call)) {
      describe_kernel(tensor_cores_of<T>());
      return multiply_tiles("linear_d_x", context, call.dy.rows, call.w.k, call.w.n, 1,
                            ChunkRows<T, true>{rows_of<const T>(call.dy)},
                            ChunkRows<T, false>{rows_of<T>(call.w)}, NoLowRank{},
                            InputGradientEpilogue<T>(call));
    }
    describe_kernel("cuda plain");
    return multiply_plain("linear_d_x_plain", context, call.dy.rows, call.w.k, call.w.n, 1,
                          RowsOperand<T>{rows_of<const T>(call.dy)},
                          ColumnsOperand<T>{rows_of<T>(call.w)}, InputGradientEpilogue<T>(call));
  });
}

size_t parameter_gradients_workspace(const linear::Backward& call) {
  const int64_t n = call.w.n, k = call.w.k, m = call.dy.rows;
  const int64_t weight = split_of(n, k, m) * n * k, bias = bias_parts(m) * n;
  return bytes_of(weight > bias ? weight : bias);
}

lk_status check_parameter_gradients(const linear::Backward& call) {
  constexpr int64_t kMostParts = kMaxGridYZ;
  if (!call.d_bias || bias_parts(call.dy.rows) <= kMostParts) return LK_OK;
  return fail(LK_UNSUPPORTED, "d_bias: the sum of %lld rows, at most %lld on CUDA devices",
              static_cast<long long>(call.dy.rows), static_cast<long long>(kMostParts * kBiasRows));
}

lk_status parameter_gradients(const Context& context, const linear::Backward& call) {
  return with_type(call.dtype(), [&](auto type) -> lk_status {
    using T = decltype(type);
    if (call.d_weight) LK_TRY(weight_gradient<T>(context, call));
    return call.d_bias ? bias_gradient<T>(context, call) : LK_OK;
  });
}

size_t linear_backward_workspace(const Context&, const linear::Backward& call) {
  return parameter_gradients_workspace(call);
}

lk_status linear_backward(const Context& context, const linear::Backward& call) {
  LK_TRY(check_parameter_gradients(call));
  if (call.d_x) LK_TRY(input_gradient(context, call));
  return parameter_gradients(context, call);
}

}  // namespace lk::cuda
