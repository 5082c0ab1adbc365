// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// One number a sample of the batch: a chunk of vectors at most, drawn and compared.
#include "common/loops.h"
#include "common/philox_simd.h"
#include "cpu_operations.h"

namespace lk::LK_ISA {

lk_status drop_path_scales(const Context& context, const drop_path::Scales& call) {
  const Philox philox(call.random);
  const Uint threshold = call.keep_threshold - Uint{};
  over_rows(*context.pool, 1, call.scales.size, [&](int64_t, int64_t first, int64_t n) {
    float* out = call.scales.data + first;
    over_vectors(n, [&](int64_t j, auto part) {
      const Int keep = philox.words(first + j) >= threshold;
      part.store(out + j, select(keep, splat(call.kept), splat(0)));
    });
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
