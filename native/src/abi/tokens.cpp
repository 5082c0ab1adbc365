// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "entry.h"

using lk::Operations;
using namespace lk::tokens;

lk_status lk_token_gather_forward(lk_device* device, const lk_tensor* x, const lk_tensor* indices,
                                  const lk_tensor* y) {
  return lk::execute<GatherForward>(
      "token_gather_forward", device, &Operations::token_gather_forward,
      [&](GatherForward& call) { return describe_gather_forward(x, indices, y, call); });
}

lk_status lk_token_gather_backward(lk_device* device, const lk_tensor* dy,
                                   const lk_tensor* indices, const lk_tensor* d_x) {
  return lk::execute<GatherBackward>(
      "token_gather_backward", device, &Operations::token_gather_backward,
      [&](GatherBackward& call) { return describe_gather_backward(dy, indices, d_x, call); });
}

lk_status lk_token_scatter_forward(lk_device* device, const lk_tensor* x, const lk_tensor* indices,
                                   const lk_tensor* fill, const lk_tensor* position,
                                   const lk_tensor* y, void* workspace, size_t workspace_bytes) {
  return lk::execute<ScatterForward>(
      "token_scatter_forward", device, &Operations::token_scatter_forward,
      &Operations::token_scatter_forward_workspace, workspace, workspace_bytes,
      [&](ScatterForward& call) {
        return describe_scatter_forward(x, indices, fill, position, y, call);
      });
}

lk_status lk_token_scatter_forward_workspace(lk_device* device, int64_t batch, int64_t tokens,
                                             size_t* bytes) {
  return lk::workspace_bytes<ScatterForward>(
      "token_scatter_forward", device, &Operations::token_scatter_forward_workspace, bytes,
      [&](ScatterForward& call) { return describe_scatter_forward_sizes(batch, tokens, call); });
}

lk_status lk_token_scatter_backward(lk_device* device, const lk_tensor* dy,
                                    const lk_tensor* indices, int32_t flags, const lk_tensor* d_x,
                                    const lk_tensor* d_fill, void* workspace,
                                    size_t workspace_bytes) {
  return lk::execute<ScatterBackward>(
      "token_scatter_backward", device, &Operations::token_scatter_backward,
      &Operations::token_scatter_backward_workspace, workspace, workspace_bytes,
      [&](ScatterBackward& call) {
        return describe_scatter_backward(dy, indices, flags, d_x, d_fill, call);
      });
}

lk_status lk_token_scatter_backward_workspace(lk_device* device, int64_t batch, int64_t tokens,
                                              int64_t k, size_t* bytes) {
  return lk::workspace_bytes<ScatterBackward>(
      "token_scatter_backward", device, &Operations::token_scatter_backward_workspace, bytes,
      [&](ScatterBackward& call) {
        return describe_scatter_backward_sizes(batch, tokens, k, call);
      });
}
