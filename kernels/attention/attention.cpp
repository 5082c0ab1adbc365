// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "attention/attention.h"

#include <cmath>

namespace lk::attention {
namespace {

lk_status check_scale(float scale) {
  if (std::isfinite(scale)) return LK_OK;
  return fail(LK_BAD_ARGUMENT, "scale: %g, expected a finite number", static_cast<double>(scale));
}

// qkv's dtype is the call's.
Expected like_qkv(const View& qkv) { return {qkv.dtype, "qkv"}; }

lk_status as_out(const char* name, const lk_tensor* tensor, const Sizes& s, const View& qkv,
                 View& view) {
  const int64_t sizes[] = {s.batch, s.tokens, s.heads, s.head_dim};
  return as_view(name, tensor, 4, sizes, view, like_qkv(qkv));
}

lk_status as_log_sum_exp(const lk_tensor* tensor, const Sizes& s, View& view) {
  const int64_t sizes[] = {s.batch, s.heads, s.tokens};
  return as_view("log_sum_exp", tensor, 3, sizes, view);
}

lk_status as_qkv(const lk_tensor* tensor, Sizes& sizes, View& view) {
  const int64_t any_sizes[] = {-1, -1, 3, -1, -1};
  LK_TRY(as_view("qkv", tensor, 5, any_sizes, view, kActivation));
  sizes = {view.sizes[0], view.sizes[1], view.sizes[3], view.sizes[4]};
  if (sizes.head_dim > kMaxHeadDim || sizes.tokens > kMaxTokens) {
    return fail(LK_BAD_ARGUMENT, "qkv: %s, expected a head_dim of 1 to %lld and at most %lld tokens",
                shape_text(*tensor).text, static_cast<long long>(kMaxHeadDim),
                static_cast<long long>(kMaxTokens));
  }
  return LK_OK;
}

}  // namespace

lk_status describe_sizes(const lk_tensor* qkv, Sizes& sizes, View& view) {
  lk_tensor shape;
  LK_TRY(as_qkv(shape_of(qkv, shape), sizes, view));
  view.data = qkv->data;
  return LK_OK;
}

lk_status describe_forward(const lk_tensor* qkv, float scale, const lk_tensor* out,
                           const lk_tensor* log_sum_exp, Forward& call) {
  LK_TRY(as_qkv(qkv, call.sizes, call.qkv));
  LK_TRY(check_scale(scale));
  call.scale = scale;
  LK_TRY(as_out("out", out, call.sizes, call.qkv, call.out));
  LK_TRY(check_output("out", out));
  if (log_sum_exp != nullptr) {
    LK_TRY(as_log_sum_exp(log_sum_exp, call.sizes, call.log_sum_exp));
    LK_TRY(check_output("log_sum_exp", log_sum_exp));
  }
  return check_outputs_apart({{"qkv", qkv}}, {{"out", out}, {"log_sum_exp", log_sum_exp}});
}

lk_status describe_backward(const lk_tensor* qkv, float scale, const lk_tensor* out,
                            const lk_tensor* log_sum_exp, const lk_tensor* d_out,
                            const lk_tensor* d_qkv, Backward& call) {
  LK_TRY(as_qkv(qkv, call.sizes, call.qkv));
  LK_TRY(check_scale(scale));
  call.scale = scale;
  LK_TRY(as_out("out", out, call.sizes, call.qkv, call.out));
  LK_TRY(as_log_sum_exp(log_sum_exp, call.sizes, call.log_sum_exp));
  LK_TRY(as_out("d_out", d_out, call.sizes, call.qkv, call.d_out));
  LK_TRY(as_view("d_qkv", d_qkv, 5, call.qkv.sizes, call.d_qkv, like_qkv(call.qkv)));
  LK_TRY(check_output("d_qkv", d_qkv));
  return check_outputs_apart(
      {{"qkv", qkv}, {"out", out}, {"log_sum_exp", log_sum_exp}, {"d_out", d_out}},
      {{"d_qkv", d_qkv}});
}

}  // namespace lk::attention
