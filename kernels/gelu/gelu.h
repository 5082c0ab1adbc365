// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The GELU activation on its own: what a kernel receives, and the checks that make it.
#pragma once

#include "common/tensor.h"

namespace lk::gelu {

struct Forward {
  Matrix x, y;  // [m, k]; y may be x

  int32_t dtype() const { return x.dtype; }
};

struct Backward {
  Matrix x, dy, d_x;  // [m, k]; d_x may be x or dy

  int32_t dtype() const { return x.dtype; }
};

lk_status describe_forward(const lk_tensor* x, const lk_tensor* y, Forward& call);
lk_status describe_backward(const lk_tensor* x, const lk_tensor* dy, const lk_tensor* d_x,
                            Backward& call);

// Plain loops that read like the maths, computed in Real: double is the oracle, float is "the same
// maths done plainly" that a kernel's error is measured by.
template <class Real>
void reference_forward(const Forward& call);
template <class Real>
void reference_backward(const Backward& call);

}  // namespace lk::gelu
