// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Rows made of random words, each drawn where it is stored.
#pragma once

#include "common/cuda/rows.cuh"
#include "common/philox.h"

namespace lk::cuda {

// A thread draws a block of the generator: four elements that follow each other, not always in one
// row. kWide: they are one aligned chunk of a row.
template <bool kWide, class Op>
__global__ void draw_kernel(int64_t elements, int64_t columns, Rows<float> out, lk_random random,
                            Op op) {
  const int64_t block = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t first = 4 * block;
  if (first >= elements) return;
  const PhiloxBlock words = philox_block(random, static_cast<uint64_t>(block));
  Floats<4> made;
#pragma unroll
  for (int e = 0; e < 4; ++e) made.v[e] = op(words.word[e]);
  if constexpr (kWide) {
    store_floats(out.at(first / columns, first % columns), made);
  } else {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int64_t element = first + e;
      if (element < elements) store(out.at(element / columns, element % columns), made.v[e]);
    }
  }
}

// out (i, j) = op(word of element i * columns + j), out f32.
template <class Op>
lk_status draw_rows(const char* name, const Context& context, const Matrix& out,
                    const lk_random& random, Op op) {
  constexpr int kThreads = 256;
  const int64_t elements = out.rows * out.columns;
  const LaunchShape shape = {ceil_divide(elements, 4 * kThreads), kThreads};
  const auto kernel = has_chunks<float>(out) ? draw_kernel<true, Op> : draw_kernel<false, Op>;
  return launch(name, kernel, context, shape, elements, out.columns, rows_of<float>(out), random, op);
}

}  // namespace lk::cuda
