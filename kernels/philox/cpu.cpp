// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// A vector of words at a time, made where they are stored. Words are a function of the element's
// number, so that chunks need nothing from each other.
#include "common/loops.h"
#include "common/philox_simd.h"
#include "cpu_operations.h"

namespace lk::LK_ISA {

lk_status random_uniform(const Context& context, const philox::Uniform& call) {
  const Philox philox(call.random);
  over_rows(*context.pool, call.tensor.rows, call.tensor.columns,
            [&](int64_t i, int64_t first, int64_t n) {
    float* out = call.tensor.row(i) + first;
    const uint64_t element = i * call.tensor.columns + first;
    over_vectors(n, [&](int64_t j, auto part) {
      // Rounds once: the product with a power of two is exact.
      const Uint words = philox.words(element + j);
      part.store(out + j, __builtin_convertvector(words, Vec) * 0x1p-32f);
    });
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
