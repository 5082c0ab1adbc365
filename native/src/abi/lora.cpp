// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "entry.h"

using lk::Operations;
namespace lora = lk::lora;

lk_status lk_lora_linear_forward(lk_device* device, const lk_tensor* x, const lk_weight* w,
                                 const lk_tensor* bias, const lk_lora* adapter,
                                 const lk_epilogue* epilogue, const lk_tensor* h,
                                 const lk_tensor* y, void* workspace, size_t workspace_bytes) {
  return lk::execute<lora::Forward>(
      "lora_linear_forward", device, &Operations::lora_linear_forward,
      &Operations::lora_linear_forward_workspace, workspace, workspace_bytes,
      [&](lora::Forward& call) {
        return lora::describe_forward(x, w, lk::packing_of(device), bias, adapter,
                                      epilogue, h, y, call);
      });
}

lk_status lk_lora_linear_forward_workspace(lk_device* device, int64_t m, const lk_weight* w,
                                           const lk_lora* adapter, size_t* bytes) {
  return lk::workspace_bytes<lora::Forward>(
      "lora_linear_forward", device, &Operations::lora_linear_forward_workspace, bytes,
      [&](lora::Forward& call) { return lora::describe_forward_sizes(m, w, adapter, call); });
}

lk_status lk_lora_linear_backward(lk_device* device, const lk_tensor* dy, const lk_tensor* x,
                                  const lk_weight* w, const lk_lora* adapter, const lk_tensor* h,
                                  const lk_linear_backward_options* options, const lk_tensor* d_x,
                                  const lk_tensor* d_a, const lk_tensor* d_b,
                                  const lk_tensor* d_weight, const lk_tensor* d_bias,
                                  void* workspace, size_t workspace_bytes) {
  return lk::execute<lora::Backward>(
      "lora_linear_backward", device, &Operations::lora_linear_backward,
      &Operations::lora_linear_backward_workspace, workspace, workspace_bytes,
      [&](lora::Backward& call) {
        return lora::describe_backward(dy, x, w, lk::packing_of(device), adapter, h,
                                       options, d_x, d_a, d_b, d_weight, d_bias, call);
      });
}

lk_status lk_lora_linear_backward_workspace(lk_device* device, int64_t m, const lk_weight* w,
                                            const lk_lora* adapter, size_t* bytes) {
  return lk::workspace_bytes<lora::Backward>(
      "lora_linear_backward", device, &Operations::lora_linear_backward_workspace, bytes,
      [&](lora::Backward& call) { return lora::describe_backward_sizes(m, w, adapter, call); });
}
