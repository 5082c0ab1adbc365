// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Optimiser steps over many tensors at once, and their gradients' norm: what a kernel receives, and
// the checks that make it.
#pragma once

#include "common/tensor.h"

namespace lk::optimizer {

// Every parameter's tensors are f32, contiguous and of one size; the array is the caller's.
struct Parameters {
  const lk_parameter* list;
  int64_t count;
};

inline float* data_of(const lk_tensor& tensor) { return static_cast<float*>(tensor.data); }

struct Norm {
  Parameters parameters;
  float max_norm;
  float* norm;
  float* scale;
};

struct Sgd {
  Parameters parameters;
  float learning_rate, momentum;
  const float* gradient_scale;  // optional
};

struct AdamW {
  Parameters parameters;
  float learning_rate, beta1, beta2, eps;
  int64_t step;                 // counts from 1
  const float* gradient_scale;  // optional
};

lk_status describe_norm(const lk_parameter* parameters, int64_t count, float max_norm,
                        const lk_tensor* norm, const lk_tensor* scale, Norm& call);
// For the workspace query: only the gradients' sizes count.
lk_status describe_norm_sizes(const lk_parameter* parameters, int64_t count, Norm& call);
lk_status describe_sgd(const lk_parameter* parameters, int64_t count, float learning_rate,
                       float momentum, const lk_tensor* gradient_scale, Sgd& call);
lk_status describe_adamw(const lk_parameter* parameters, int64_t count, float learning_rate,
                         float beta1, float beta2, float eps, int64_t step,
                         const lk_tensor* gradient_scale, AdamW& call);

template <class Real>
void reference_norm(const Norm& call);
template <class Real>
void reference_sgd(const Sgd& call);
template <class Real>
void reference_adamw(const AdamW& call);

}  // namespace lk::optimizer
