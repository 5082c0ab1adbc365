// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Layer normalisation (Ba et al., arXiv 1607.06450): what a kernel receives, and the checks that
// make it.
#pragma once

#include "common/tensor.h"

namespace lk::layer_norm {

struct Forward {
  Matrix x, y;         // [m, k]
  Vector gamma, beta;  // [k]
  float eps;
  Matrix statistics;   // optional [m, 2]: mean, 1/sqrt(variance + eps)

  int32_t dtype() const { return x.dtype; }
};

struct Backward {
  Matrix dy, x;            // [m, k]
  Vector gamma;            // [k]
  Matrix statistics;       // [m, 2], the forward pass's
  bool add_to_d_x, add_to_parameters;
  Matrix d_x;              // optional [m, k]
  Vector d_gamma, d_beta;  // optional [k]

  int32_t dtype() const { return dy.dtype; }
  bool wants_parameters() const { return d_gamma || d_beta; }
};

lk_status describe_forward(const lk_tensor* x, const lk_tensor* gamma, const lk_tensor* beta,
                           float eps, const lk_tensor* y, const lk_tensor* statistics,
                           Forward& call);
lk_status describe_backward(const lk_tensor* dy, const lk_tensor* x, const lk_tensor* gamma,
                            const lk_tensor* statistics, int32_t flags, const lk_tensor* d_x,
                            const lk_tensor* d_gamma, const lk_tensor* d_beta, Backward& call);
// A description with sizes alone, which is what the workspace follows from.
lk_status describe_backward_sizes(int64_t m, int64_t k, Backward& call);

// Plain loops that read like the maths, computed in Real: double is the oracle, float is "the same
// maths done plainly" that a kernel's error is measured by.
template <class Real>
void reference_forward(const Forward& call);
template <class Real>
void reference_backward(const Backward& call);

}  // namespace lk::layer_norm
