// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "entry.h"

namespace pool = lk::pool;
using lk::Operations;

lk_status lk_mean_pool_forward(lk_device* device, const lk_tensor* x, int64_t first_token,
                               const lk_tensor* y) {
  return lk::execute<pool::Forward>(
      "mean_pool_forward", device, &Operations::mean_pool_forward,
      [&](pool::Forward& call) { return pool::describe_forward(x, first_token, y, call); });
}

lk_status lk_mean_pool_backward(lk_device* device, const lk_tensor* dy, int64_t first_token,
                                const lk_tensor* d_x) {
  return lk::execute<pool::Backward>(
      "mean_pool_backward", device, &Operations::mean_pool_backward,
      [&](pool::Backward& call) { return pool::describe_backward(dy, first_token, d_x, call); });
}
