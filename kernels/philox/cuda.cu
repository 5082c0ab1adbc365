// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// A thread a block of the generator: ten rounds in registers, four numbers stored.
#include "common/cuda/random.cuh"
#include "cuda_operations.h"

namespace lk::cuda {
namespace {

struct Uniform {
  // Rounds once: the product with a power of two is exact.
  LK_DEVICE float operator()(uint32_t word) const {
    return static_cast<float>(word) * (1.0f / 4294967296.0f);
  }
};

}  // namespace

lk_status random_uniform(const Context& context, const philox::Uniform& call) {
  return draw_rows("random_uniform", context, call.tensor, call.random, Uniform{});
}

}  // namespace lk::cuda
