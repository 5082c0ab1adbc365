// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The mean over tokens: what a kernel receives, and the checks that make it.
#pragma once

#include "common/tensor.h"

namespace lk::pool {

struct Forward {
  View x;               // [batch, tokens, k]
  int64_t first_token;  // 0 <= first_token < tokens: those before are left out
  Matrix y;             // [batch, k]

  int32_t dtype() const { return x.dtype; }
};

struct Backward {
  Matrix dy;  // [batch, k]
  int64_t first_token;
  View d_x;  // [batch, tokens, k]

  int32_t dtype() const { return d_x.dtype; }
};

lk_status describe_forward(const lk_tensor* x, int64_t first_token, const lk_tensor* y,
                           Forward& call);
lk_status describe_backward(const lk_tensor* dy, int64_t first_token, const lk_tensor* d_x,
                            Backward& call);

template <class Real>
void reference_forward(const Forward& call);
template <class Real>
void reference_backward(const Backward& call);

}  // namespace lk::pool
