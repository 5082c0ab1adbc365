// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "entry.h"

using lk::Operations;
using namespace lk::attention;

lk_status lk_attention_forward(lk_device* device, const lk_tensor* qkv, float scale,
                               const lk_tensor* out, const lk_tensor* log_sum_exp,
                               void* workspace, size_t workspace_bytes) {
  return lk::execute<Forward>(
      "attention_forward", device, &Operations::attention_forward,
      &Operations::attention_forward_workspace, workspace, workspace_bytes,
      [&](Forward& call) { return describe_forward(qkv, scale, out, log_sum_exp, call); });
}

lk_status lk_attention_forward_workspace(lk_device* device, const lk_tensor* qkv, size_t* bytes) {
  return lk::workspace_bytes<Forward>(
      "attention_forward", device, &Operations::attention_forward_workspace, bytes,
      [&](Forward& call) { return describe_sizes(qkv, call.sizes, call.qkv); });
}

lk_status lk_attention_backward(lk_device* device, const lk_tensor* qkv, float scale,
                                const lk_tensor* out, const lk_tensor* log_sum_exp,
                                const lk_tensor* d_out, const lk_tensor* d_qkv, void* workspace,
                                size_t workspace_bytes) {
  return lk::execute<Backward>(
      "attention_backward", device, &Operations::attention_backward,
      &Operations::attention_backward_workspace, workspace, workspace_bytes, [&](Backward& call) {
        return describe_backward(qkv, scale, out, log_sum_exp, d_out, d_qkv, call);
      });
}

lk_status lk_attention_backward_workspace(lk_device* device, const lk_tensor* qkv, size_t* bytes) {
  return lk::workspace_bytes<Backward>(
      "attention_backward", device, &Operations::attention_backward_workspace, bytes,
      [&](Backward& call) { return describe_sizes(qkv, call.sizes, call.qkv); });
}
