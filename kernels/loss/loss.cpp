// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "loss/loss.h"

#include <cmath>

namespace lk::loss {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 59;

lk_status check_finite(const char* name, float value) {
  if (std::isfinite(value)) return LK_OK;
  return fail(LK_BAD_ARGUMENT, "%s: %g, expected a finite number", name, double{value});
}

lk_status describe_logits(const lk_tensor* logits, const lk_tensor* targets, Matrix& logits_rows,
                          Matrix& targets_rows) {
  LK_TRY(as_matrix("logits", logits, -1, -1, logits_rows));
  return as_matrix("targets", targets, logits_rows.rows, logits_rows.columns, targets_rows);
}

lk_status describe_targets(const lk_tensor* images, int64_t patch, const lk_tensor* indices,
                           float eps, Targets& targets) {
  const int64_t any[4] = {-1, -1, -1, -1};
  LK_TRY(as_view("images", images, 4, any, targets.images));
  const int64_t height = targets.images.sizes[2], width = targets.images.sizes[3];
  if (patch < 1 || height % patch != 0 || width % patch != 0) {
    return fail(LK_BAD_ARGUMENT, "patch: %lld, expected a divisor of height %lld and width %lld",
                static_cast<long long>(patch), static_cast<long long>(height),
                static_cast<long long>(width));
  }
  targets.patch = patch;
  if (targets.pixels() < 2) {
    return fail(LK_BAD_ARGUMENT, "patch: 1 pixel of one channel has no variance, expected more");
  }
  LK_TRY(as_indices("indices", indices, targets.images.sizes[0], targets.indices));
  if (!(eps >= 0 && std::isfinite(eps))) {
    return fail(LK_BAD_ARGUMENT, "eps: %g, expected a finite number of zero or more", double{eps});
  }
  targets.eps = eps;
  return LK_OK;
}

lk_status as_prediction(const char* name, const lk_tensor* tensor, const Targets& targets,
                        Matrix& rows, Expected expected) {
  return as_matrix(name, tensor, targets.indices.batch * targets.indices.count, targets.pixels(),
                   rows, expected);
}

}  // namespace

lk_status describe_bce_forward(const lk_tensor* logits, const lk_tensor* targets,
                               const lk_tensor* loss, BceForward& call) {
  LK_TRY(describe_logits(logits, targets, call.logits, call.targets));
  LK_TRY(as_vector("loss", loss, 1, call.loss));
  return check_outputs_apart({{"logits", logits}, {"targets", targets}}, {{"loss", loss}});
}

lk_status describe_bce_backward(const lk_tensor* logits, const lk_tensor* targets, float d_loss,
                                const lk_tensor* d_logits, BceBackward& call) {
  LK_TRY(describe_logits(logits, targets, call.logits, call.targets));
  LK_TRY(check_finite("d_loss", d_loss));
  call.d_loss = d_loss;
  LK_TRY(as_matrix("d_logits", d_logits, call.logits.rows, call.logits.columns, call.d_logits));
  LK_TRY(check_output("d_logits", d_logits));
  return check_outputs_apart({{"logits", logits}, {"targets", targets}}, {{"d_logits", d_logits}});
}

lk_status describe_patch_mse_forward(const lk_tensor* prediction, const lk_tensor* images,
                                     int64_t patch, const lk_tensor* indices, float eps,
                                     const lk_tensor* loss, PatchMseForward& call) {
  LK_TRY(describe_targets(images, patch, indices, eps, call.targets));
  LK_TRY(as_prediction("prediction", prediction, call.targets, call.prediction, kActivation));
  LK_TRY(as_vector("loss", loss, 1, call.loss));
  return check_outputs_apart(
      {{"prediction", prediction}, {"images", images}, {"indices", indices}}, {{"loss", loss}});
}

lk_status describe_patch_mse_backward(const lk_tensor* prediction, const lk_tensor* images,
                                      int64_t patch, const lk_tensor* indices, float eps,
                                      float d_loss, const lk_tensor* d_prediction,
                                      PatchMseBackward& call) {
  LK_TRY(describe_targets(images, patch, indices, eps, call.targets));
  LK_TRY(as_prediction("prediction", prediction, call.targets, call.prediction, kActivation));
  LK_TRY(check_finite("d_loss", d_loss));
  call.d_loss = d_loss;
  LK_TRY(as_prediction("d_prediction", d_prediction, call.targets, call.d_prediction,
                       {call.prediction.dtype, "prediction"}));
  LK_TRY(check_output("d_prediction", d_prediction));
  return check_outputs_apart(
      {{"prediction", prediction}, {"images", images}, {"indices", indices}},
      {{"d_prediction", d_prediction}});
}

lk_status describe_patch_mse_forward_sizes(int64_t batch, int64_t s, PatchMseForward& call) {
  int64_t count = 0;
  if (batch < 1 || s < 1 || __builtin_mul_overflow(batch, s, &count) || count > kMaxElements) {
    return fail(LK_BAD_ARGUMENT, "batch, s: %lld, %lld, expected sizes of a tensor",
                static_cast<long long>(batch), static_cast<long long>(s));
  }
  call.targets.indices.batch = batch;
  call.targets.indices.count = s;
  return LK_OK;
}

}  // namespace lk::loss
