// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Random tensors: what a kernel receives, and the checks that make it. The generator itself is
// common/philox.h and common/philox_simd.h, where masks drawn inside other rooms find it too.
#pragma once

#include "common/tensor.h"

namespace lk::philox {

struct Uniform {
  lk_random random;
  Matrix tensor;  // element (i, j) is number i * columns + j of the random tensor
};

// Every operation that draws takes its lk_random through this.
lk_status check_random(const lk_random* random);

lk_status describe_uniform(const lk_random* random, const lk_tensor* tensor, Uniform& call);

template <class Real>
void reference_uniform(const Uniform& call);

}  // namespace lk::philox
