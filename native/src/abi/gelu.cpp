// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "entry.h"

using lk::Operations;

lk_status lk_gelu_forward(lk_device* device, const lk_tensor* x, const lk_tensor* y) {
  return lk::execute<lk::gelu::Forward>(
      "gelu_forward", device, &Operations::gelu_forward,
      [&](lk::gelu::Forward& call) { return lk::gelu::describe_forward(x, y, call); });
}

lk_status lk_gelu_backward(lk_device* device, const lk_tensor* x, const lk_tensor* dy,
                           const lk_tensor* d_x) {
  return lk::execute<lk::gelu::Backward>(
      "gelu_backward", device, &Operations::gelu_backward,
      [&](lk::gelu::Backward& call) { return lk::gelu::describe_backward(x, dy, d_x, call); });
}
