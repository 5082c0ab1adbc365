// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "entry.h"

using lk::Operations;
using lk::fail;
namespace linear = lk::linear;

lk_status lk_weight_prepare_bytes(lk_device* device, const lk_tensor* w, int32_t format,
                                  size_t* bytes) {
  return lk::workspace_bytes<linear::Prepare>(
      "weight_prepare", device, &Operations::weight_prepare_bytes, bytes,
      [&](linear::Prepare& call) {
        lk_tensor shape;
        return linear::describe_prepare(lk::shape_of(w, shape), format, call);
      });
}

lk_status lk_weight_prepare(lk_device* device, const lk_tensor* w, int32_t format, void* storage,
                            size_t storage_bytes, lk_weight* weight) {
  size_t needed = 0;
  LK_TRY(lk_weight_prepare_bytes(device, w, format, &needed));
  lk_weight made{};
  LK_TRY(lk::execute<linear::Prepare>(
      "weight_prepare", device, &Operations::weight_prepare, [&](linear::Prepare& call) {
        if (weight == nullptr) return fail(LK_BAD_ARGUMENT, "weight: NULL, expected a place for it");
        LK_TRY(linear::describe_prepare(w, format, call));
        LK_TRY(linear::describe_storage(*w, needed, storage, storage_bytes, call));
        made.data = call.packed ? storage : w->data;
        made.n = call.w.rows;
        made.k = call.w.columns;
        made.row_stride = call.packed ? device->operations().packed_layout : call.w.stride;
        made.format = format;
        made.dtype = call.w.dtype;
        return LK_OK;
      }));
  *weight = made;
  return LK_OK;
}

lk_status lk_linear_forward(lk_device* device, const lk_tensor* x, const lk_weight* w,
                            const lk_tensor* bias, const lk_epilogue* epilogue, const lk_tensor* y,
                            void* workspace, size_t workspace_bytes) {
  return lk::execute<linear::Forward>(
      "linear_forward", device, &Operations::linear_forward, &Operations::linear_forward_workspace,
      workspace, workspace_bytes, [&](linear::Forward& call) {
        return linear::describe_forward(x, w, lk::packing_of(device), bias, epilogue,
                                        y, call);
      });
}

lk_status lk_linear_forward_workspace(lk_device* device, int64_t m, const lk_weight* w,
                                      size_t* bytes) {
  return lk::workspace_bytes<linear::Forward>(
      "linear_forward", device, &Operations::linear_forward_workspace, bytes,
      [&](linear::Forward& call) { return linear::describe_forward_sizes(m, w, call); });
}

lk_status lk_linear_backward(lk_device* device, const lk_tensor* dy, const lk_tensor* x,
                             const lk_weight* w, const lk_linear_backward_options* options,
                             const lk_tensor* d_x, const lk_tensor* d_weight,
                             const lk_tensor* d_bias, void* workspace, size_t workspace_bytes) {
  return lk::execute<linear::Backward>(
      "linear_backward", device, &Operations::linear_backward,
      &Operations::linear_backward_workspace, workspace, workspace_bytes,
      [&](linear::Backward& call) {
        return linear::describe_backward(dy, x, w, lk::packing_of(device), options,
                                         d_x, d_weight, d_bias, call);
      });
}

lk_status lk_linear_backward_workspace(lk_device* device, int64_t m, const lk_weight* w,
                                       size_t* bytes) {
  return lk::workspace_bytes<linear::Backward>(
      "linear_backward", device, &Operations::linear_backward_workspace, bytes,
      [&](linear::Backward& call) { return linear::describe_backward_sizes(m, w, call); });
}
