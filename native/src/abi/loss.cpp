// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "entry.h"

using lk::Operations;
using namespace lk::loss;

lk_status lk_bce_with_logits_forward(lk_device* device, const lk_tensor* logits,
                                     const lk_tensor* targets, const lk_tensor* loss) {
  return lk::execute<BceForward>(
      "bce_with_logits_forward", device, &Operations::bce_with_logits_forward,
      [&](BceForward& call) { return describe_bce_forward(logits, targets, loss, call); });
}

lk_status lk_bce_with_logits_backward(lk_device* device, const lk_tensor* logits,
                                      const lk_tensor* targets, float d_loss,
                                      const lk_tensor* d_logits) {
  return lk::execute<BceBackward>(
      "bce_with_logits_backward", device, &Operations::bce_with_logits_backward,
      [&](BceBackward& call) {
        return describe_bce_backward(logits, targets, d_loss, d_logits, call);
      });
}

lk_status lk_patch_mse_forward(lk_device* device, const lk_tensor* prediction,
                               const lk_tensor* images, int64_t patch, const lk_tensor* indices,
                               float eps, const lk_tensor* loss, void* workspace,
                               size_t workspace_bytes) {
  return lk::execute<PatchMseForward>(
      "patch_mse_forward", device, &Operations::patch_mse_forward,
      &Operations::patch_mse_forward_workspace, workspace, workspace_bytes,
      [&](PatchMseForward& call) {
        return describe_patch_mse_forward(prediction, images, patch, indices, eps, loss, call);
      });
}

lk_status lk_patch_mse_forward_workspace(lk_device* device, int64_t batch, int64_t s,
                                         size_t* bytes) {
  return lk::workspace_bytes<PatchMseForward>(
      "patch_mse_forward", device, &Operations::patch_mse_forward_workspace, bytes,
      [&](PatchMseForward& call) { return describe_patch_mse_forward_sizes(batch, s, call); });
}

lk_status lk_patch_mse_backward(lk_device* device, const lk_tensor* prediction,
                                const lk_tensor* images, int64_t patch, const lk_tensor* indices,
                                float eps, float d_loss, const lk_tensor* d_prediction) {
  return lk::execute<PatchMseBackward>(
      "patch_mse_backward", device, &Operations::patch_mse_backward, [&](PatchMseBackward& call) {
        return describe_patch_mse_backward(prediction, images, patch, indices, eps, d_loss,
                                           d_prediction, call);
      });
}
