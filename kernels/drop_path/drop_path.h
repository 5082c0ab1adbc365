// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Stochastic depth: what a kernel receives, and the checks that make it.
#pragma once

#include "common/tensor.h"

namespace lk::drop_path {

struct Scales {
  lk_random random;
  float p;
  uint32_t keep_threshold;  // a sample is kept when its word is at least this
  float kept;               // the scale of a kept sample, 1 / (1 - p)
  Vector scales;            // [samples]
};

lk_status describe_scales(float p, const lk_random* random, const lk_tensor* scales, Scales& call);

template <class Real>
void reference_scales(const Scales& call);

}  // namespace lk::drop_path
