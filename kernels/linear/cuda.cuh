// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What the linear layer's CUDA kernels share with other rooms that multiply: its weights as an
// operand, its epilogues, and the pieces of its workspaces.
#pragma once

#include "common/cuda/gemm_mma.cuh"
#include "linear/linear.h"

namespace lk::cuda {

// Packed weights are rows that begin at multiples of 16 bytes, zeros behind their ends.
constexpr int64_t kPackedBytes = 16;
inline int64_t packed_stride(int64_t k, int32_t dtype) {
  const int64_t step = kPackedBytes / dtype_bytes(dtype);
  return ceil_divide(k, step) * step;
}

template <class T>
Rows<const T> rows_of(const linear::Weight& w) {
  return {{static_cast<const T*>(w.data)}, w.packed ? packed_stride(w.k, w.dtype) : w.stride};
}

// One factor for every `rows` rows; 1 when there is none.
struct RowScale {
  Global<const float> data;
  int64_t rows;

  LK_DEVICE float at(int64_t i) const { return data ? load(data + i / rows) : 1.0f; }
};
inline RowScale scale_of(const linear::RowScale& scale) { return {{scale.data}, scale.rows}; }

// y = residual + row_scale ∘ activation(z + bias), and z kept if asked for.
template <class T>
struct ForwardEpilogue {
  Global<const float> bias;  // optional
  Rows<T> pre_activation;    // optional
  Rows<const T> residual;    // optional
  RowScale row_scale;
  Rows<T> y;
  bool gelu;

  explicit ForwardEpilogue(const linear::Forward& call)
      : bias{call.bias.data},
        pre_activation(rows_of<T>(call.epilogue.pre_activation)),
        residual(rows_of<const T>(call.epilogue.residual)),
        row_scale(scale_of(call.epilogue.row_scale)),
        y(rows_of<T>(call.y)),
        gelu(call.epilogue.gelu) {}

  // The finished element, given the product.
  LK_DEVICE float finish(int64_t i, int64_t j, float z) const {
    if (bias) z += load(bias + j);
    if (pre_activation.data) store_float(pre_activation.at(i, j), z);
    const float scaled = (gelu ? cuda::gelu(z) : z) * row_scale.at(i);
    return residual.data ? load_float(residual.at(i, j)) + scaled : scaled;
  }
  LK_DEVICE void operator()(int64_t, int64_t i, int64_t j, float z) const {
    store_float(y.at(i, j), finish(i, j, z));
  }
  LK_DEVICE void pair(int64_t, int64_t i, int64_t j, float z0, float z1) const {
    store_pair(y.at(i, j), finish(i, j, z0), finish(i, j + 1, z1));
  }
};

// d_x = row_scale ∘ (dy W), then through GELU's derivative or added to what is there.
template <class T>
struct InputGradientEpilogue {
  RowScale row_scale;
  Rows<const T> x_pre_activation;  // optional
  Rows<T> d_x;
  bool add;

  explicit InputGradientEpilogue(const linear::Backward& call)
      : row_scale(scale_of(call.row_scale)),
        x_pre_activation(rows_of<const T>(call.x_pre_activation)),
        d_x(rows_of<T>(call.d_x)),
        add(call.add_to_d_x) {}

  LK_DEVICE float finish(int64_t i, int64_t k, float product) const {
    float gradient = product * row_scale.at(i);
    if (x_pre_activation.data) gradient *= gelu_derivative(load_float(x_pre_activation.at(i, k)));
    return add ? load_float(d_x.at(i, k)) + gradient : gradient;
  }
  LK_DEVICE void operator()(int64_t, int64_t i, int64_t k, float product) const {
    store_float(d_x.at(i, k), finish(i, k, product));
  }
  LK_DEVICE void pair(int64_t, int64_t i, int64_t k, float product0, float product1) const {
    store_pair(d_x.at(i, k), finish(i, k, product0), finish(i, k + 1, product1));
  }
};

// dy as the rows' gradient, scaled: element (j, i) for sums over the rows i.
template <class T>
struct ScaledColumns {
  static constexpr bool kAlongL = false;
  Rows<const T> rows;
  RowScale scale;
  LK_DEVICE float operator()(int64_t j, int64_t i) const {
    return load_float(rows.at(i, j)) * scale.at(i);
  }
};

// dy or x as an operand of sums over their rows, a chunk of row l scaled.
template <class T>
struct ScaledChunks {
  static constexpr bool kAlongL = false;
  Rows<const T> rows;
  RowScale scale;

  LK_DEVICE ChunkOf<T> chunk(int64_t i, int64_t l, int64_t count, int64_t l_end) const {
    ChunkOf<T> chunk = {};
    if (i >= count || l >= l_end) return chunk;
    chunk = load(rows.at(l, i).template as<const ChunkOf<T>>());
    if (!scale.data) return chunk;
    const float factor = scale.at(l);
#pragma unroll
    for (int e = 0; e < kChunkElements<T>; ++e) {
      chunk.v[e] = from_float<T>(to_float(chunk.v[e]) * factor);
    }
    return chunk;
  }
};

// Rows as an operand of product_chunks, stored along l.
template <class T>
struct RowChunks {
  static constexpr bool kAlongL = true;
  Rows<const T> rows;

  LK_DEVICE ChunkOf<T> chunk(int64_t i, int64_t l, int64_t count, int64_t l_end) const {
    if (i >= count || l >= l_end) return {};
    return load(rows.at(i, l).template as<const ChunkOf<T>>());
  }
};

// The tiles of products on tensor cores: the large one where it gives enough blocks.
using LargeTile = TileShape<128, 128, 64, 32>;
using SmallTile = TileShape<64, 64, 32, 32>;
using LargeProduct = AsyncShape<LargeTile, 3>;
using SmallProduct = AsyncShape<SmallTile, 4>;
// Shared memory for two blocks of either on every architecture; where their registers leave room for one
// alone, native/cuda/kernels.csv says so.
static_assert(2 * LargeProduct::kSharedBytes <= 99 * 1024 && 2 * SmallProduct::kSharedBytes <= 99 * 1024, "");
constexpr int64_t kEnoughBlocks = 96;

template <class A, class B, class LowRank, class Epilogue>
lk_status multiply_tiles(const char* name, const Context& context, int64_t m, int64_t n, int64_t k,
                         int64_t parts, const A& a, const B& b, const LowRank& low_rank,
                         const Epilogue& epilogue) {
  const int64_t blocks = ceil_divide(m, LargeTile::kM) * ceil_divide(n, LargeTile::kN) * parts;
  const auto multiply = blocks >= kEnoughBlocks
                            ? &multiply_async<LargeProduct, A, B, LowRank, Epilogue>
                            : &multiply_async<SmallProduct, A, B, LowRank, Epilogue>;
  return multiply(name, context, m, n, k, parts, a, b, low_rank, epilogue);
}

// Can the rows of a weight be cut into aligned chunks?
template <class T>
bool has_chunks(const linear::Weight& w) {
  constexpr int kChunk = kChunkElements<T>;
  const int64_t stride = w.packed ? packed_stride(w.k, w.dtype) : w.stride;
  return reinterpret_cast<uintptr_t>(w.data) % kChunkBytes == 0 && w.k % kChunk == 0 &&
         w.n % kChunk == 0 && stride % kChunk == 0;
}
template <class T>
bool absent_or_has_chunks(const Matrix& matrix) {
  return !matrix || has_chunks<T>(matrix);
}
// Do products of this type run on tensor cores, if operands are whole chunks?
template <class T>
bool on_tensor_cores(const Context& context) {
  return !std::is_same_v<T, float> || context.tf32;
}
// What lk_describe() says of them.
template <class T>
const char* tensor_cores_of() {
  return std::is_same_v<T, float> ? "cuda tensor cores, tf32" : "cuda tensor cores";
}
// Do the tensor cores' kernels take this call?
template <class T>
bool takes_forward(const Context& context, const linear::Forward& call) {
  return on_tensor_cores<T>(context) && has_chunks<T>(call.x) && has_chunks<T>(call.w) &&
         has_chunks<T>(call.y) &&
         absent_or_has_chunks<T>(call.epilogue.residual) &&
         absent_or_has_chunks<T>(call.epilogue.pre_activation);
}
template <class T>
bool takes_input_gradient(const Context& context, const linear::Backward& call) {
  return on_tensor_cores<T>(context) && has_chunks<T>(call.dy) && has_chunks<T>(call.w) &&
         has_chunks<T>(call.d_x) &&
         absent_or_has_chunks<T>(call.x_pre_activation);
}

// d_weight and d_bias of a linear layer, for any room whose backward pass has them.
size_t parameter_gradients_workspace(const linear::Backward& call);
lk_status parameter_gradients(const Context& context, const linear::Backward& call);
// Whether they can be had, before anything is written.
lk_status check_parameter_gradients(const linear::Backward& call);
// Without a low-rank term.
lk_status input_gradient(const Context& context, const linear::Backward& call);

}  // namespace lk::cuda
