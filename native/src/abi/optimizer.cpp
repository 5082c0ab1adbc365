// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "entry.h"

namespace optimizer = lk::optimizer;
using lk::Operations;

lk_status lk_gradient_norm(lk_device* device, const lk_parameter* parameters, int64_t count,
                           float max_norm, const lk_tensor* norm, const lk_tensor* scale,
                           void* workspace, size_t workspace_bytes) {
  return lk::execute<optimizer::Norm>(
      "gradient_norm", device, &Operations::gradient_norm, &Operations::gradient_norm_workspace,
      workspace, workspace_bytes, [&](optimizer::Norm& call) {
        return optimizer::describe_norm(parameters, count, max_norm, norm, scale, call);
      });
}

lk_status lk_gradient_norm_workspace(lk_device* device, const lk_parameter* parameters,
                                     int64_t count, size_t* bytes) {
  return lk::workspace_bytes<optimizer::Norm>(
      "gradient_norm", device, &Operations::gradient_norm_workspace, bytes,
      [&](optimizer::Norm& call) {
        return optimizer::describe_norm_sizes(parameters, count, call);
      });
}

lk_status lk_sgd_step(lk_device* device, const lk_parameter* parameters, int64_t count,
                      float learning_rate, float momentum, const lk_tensor* gradient_scale) {
  return lk::execute<optimizer::Sgd>(
      "sgd_step", device, &Operations::sgd_step, [&](optimizer::Sgd& call) {
        return optimizer::describe_sgd(parameters, count, learning_rate, momentum, gradient_scale,
                                       call);
      });
}

lk_status lk_adamw_step(lk_device* device, const lk_parameter* parameters, int64_t count,
                        float learning_rate, float beta1, float beta2, float eps, int64_t step,
                        const lk_tensor* gradient_scale) {
  return lk::execute<optimizer::AdamW>(
      "adamw_step", device, &Operations::adamw_step, [&](optimizer::AdamW& call) {
        return optimizer::describe_adamw(parameters, count, learning_rate, beta1, beta2, eps, step,
                                         gradient_scale, call);
      });
}
