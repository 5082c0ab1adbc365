// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Rows of activations on the device, read and written in chunks of 16 bytes where they allow it.
#pragma once

#include "common/cuda/launch.cuh"
#include "common/cuda/number.cuh"

namespace lk::cuda {

// Element (i, j) is data[i * stride + j].
template <class T>
struct Rows {
  Global<T> data;
  int64_t stride;

  LK_DEVICE Global<T> at(int64_t i, int64_t j) const { return data + (i * stride + j); }
};
template <class T>
Rows<T> rows_of(const Matrix& matrix) {
  return {{static_cast<T*>(matrix.data)}, matrix.stride};
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

// Bytes that a thread moves at once where rows allow it, and how many elements those are.
constexpr int kChunkBytes = 16;
template <class T>
constexpr int kChunkElements = kChunkBytes / static_cast<int>(sizeof(T));

__host__ __device__ inline bool is_chunk_aligned(const void* data) {
  return reinterpret_cast<uintptr_t>(data) % kChunkBytes == 0;
}

// Can every row be cut into aligned chunks?
template <class T>
bool has_chunks(const Matrix& matrix) {
  return is_chunk_aligned(matrix.data) && matrix.columns % kChunkElements<T> == 0 &&
         (matrix.rows == 1 || matrix.stride % kChunkElements<T> == 0);
}

// Neighbours of a row, as f32.
template <int N>
struct Floats {
  float v[N];
};

// In as few accesses of at most kChunkBytes as there can be, aligned to their size.
template <int N, class T>
LK_DEVICE Floats<N> load_floats(Global<T> from LK_AND_SITE) {
  using Element = std::remove_const_t<T>;
  constexpr int kStep = N < kChunkElements<T> ? N : kChunkElements<T>;
  Floats<N> floats;
#pragma unroll
  for (int first = 0; first < N; first += kStep) {
    const auto chunk = (from + first).template as<const Pack<Element, kStep>>();
#if LK_SIMT
    const Pack<Element, kStep> pack = load(chunk, site);
#else
    const Pack<Element, kStep> pack = load(chunk);
#endif
#pragma unroll
    for (int e = 0; e < kStep; ++e) floats.v[first + e] = to_float(pack.v[e]);
  }
  return floats;
}

template <int N, class T>
LK_DEVICE void store_floats(Global<T> to, const Floats<N>& floats LK_AND_SITE) {
  constexpr int kStep = N < kChunkElements<T> ? N : kChunkElements<T>;
#pragma unroll
  for (int first = 0; first < N; first += kStep) {
    Pack<T, kStep> pack;
#pragma unroll
    for (int e = 0; e < kStep; ++e) pack.v[e] = from_float<T>(floats.v[first + e]);
#if LK_SIMT
    store((to + first).template as<Pack<T, kStep>>(), pack, site);
#else
    store((to + first).template as<Pack<T, kStep>>(), pack);
#endif
  }
}

}  // namespace lk::cuda
