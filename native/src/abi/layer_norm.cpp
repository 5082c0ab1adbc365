// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "entry.h"

using lk::Operations;
using namespace lk::layer_norm;

lk_status lk_layer_norm_forward(lk_device* device, const lk_tensor* x, const lk_tensor* gamma,
                                const lk_tensor* beta, float eps, const lk_tensor* y,
                                const lk_tensor* statistics) {
  return lk::execute<Forward>(
      "layer_norm_forward", device, &Operations::layer_norm_forward,
      [&](Forward& call) { return describe_forward(x, gamma, beta, eps, y, statistics, call); });
}

lk_status lk_layer_norm_backward(lk_device* device, const lk_tensor* dy, const lk_tensor* x,
                                 const lk_tensor* gamma, const lk_tensor* statistics,
                                 int32_t flags, const lk_tensor* d_x, const lk_tensor* d_gamma,
                                 const lk_tensor* d_beta, void* workspace,
                                 size_t workspace_bytes) {
  return lk::execute<Backward>(
      "layer_norm_backward", device, &Operations::layer_norm_backward,
      &Operations::layer_norm_backward_workspace, workspace, workspace_bytes, [&](Backward& call) {
        return describe_backward(dy, x, gamma, statistics, flags, d_x, d_gamma, d_beta, call);
      });
}

lk_status lk_layer_norm_backward_workspace(lk_device* device, int64_t m, int64_t k,
                                           size_t* bytes) {
  return lk::workspace_bytes<Backward>(
      "layer_norm_backward", device, &Operations::layer_norm_backward_workspace, bytes,
      [&](Backward& call) { return describe_backward_sizes(m, k, call); });
}
