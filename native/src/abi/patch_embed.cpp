// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "entry.h"

namespace patch_embed = lk::patch_embed;
using lk::Operations;

lk_status lk_patch_embed_forward(lk_device* device, const lk_tensor* images, int64_t patch,
                                 const lk_weight* w, const lk_tensor* bias,
                                 const lk_tensor* position, const lk_tensor* class_token,
                                 const lk_tensor* y, void* workspace, size_t workspace_bytes) {
  return lk::execute<patch_embed::Forward>(
      "patch_embed_forward", device, &Operations::patch_embed_forward,
      &Operations::patch_embed_forward_workspace, workspace, workspace_bytes,
      [&](patch_embed::Forward& call) {
        return patch_embed::describe_forward(images, patch, w, lk::packing_of(device),
                                             bias, position, class_token, y, call);
      });
}

lk_status lk_patch_embed_forward_workspace(lk_device* device, const lk_tensor* images,
                                           int64_t patch, const lk_weight* w, size_t* bytes) {
  return lk::workspace_bytes<patch_embed::Forward>(
      "patch_embed_forward", device, &Operations::patch_embed_forward_workspace, bytes,
      [&](patch_embed::Forward& call) {
        return patch_embed::describe_forward_sizes(images, patch, w, call);
      });
}

lk_status lk_patch_embed_backward(lk_device* device, const lk_tensor* dy, const lk_tensor* images,
                                  int64_t patch, int32_t flags, const lk_tensor* d_weight,
                                  const lk_tensor* d_bias, const lk_tensor* d_position,
                                  const lk_tensor* d_class_token, void* workspace,
                                  size_t workspace_bytes) {
  return lk::execute<patch_embed::Backward>(
      "patch_embed_backward", device, &Operations::patch_embed_backward,
      &Operations::patch_embed_backward_workspace, workspace, workspace_bytes,
      [&](patch_embed::Backward& call) {
        return patch_embed::describe_backward(dy, images, patch, flags, d_weight, d_bias,
                                              d_position, d_class_token, call);
      });
}

lk_status lk_patch_embed_backward_workspace(lk_device* device, const lk_tensor* images,
                                            int64_t patch, int64_t n, size_t* bytes) {
  return lk::workspace_bytes<patch_embed::Backward>(
      "patch_embed_backward", device, &Operations::patch_embed_backward_workspace, bytes,
      [&](patch_embed::Backward& call) {
        return patch_embed::describe_backward_sizes(images, patch, n, call);
      });
}
