// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// One number a sample of the batch, four samples a thread.
#include "common/cuda/random.cuh"
#include "cuda_operations.h"

namespace lk::cuda {
namespace {

struct Scale {
  uint32_t keep_threshold;
  float kept;

  LK_DEVICE float operator()(uint32_t word) const { return word >= keep_threshold ? kept : 0.0f; }
};

}  // namespace

lk_status drop_path_scales(const Context& context, const drop_path::Scales& call) {
  const Matrix row = {call.scales.data, 1, call.scales.size, call.scales.size};
  return draw_rows("drop_path_scales", context, row, call.random,
                   Scale{call.keep_threshold, call.kept});
}

}  // namespace lk::cuda
