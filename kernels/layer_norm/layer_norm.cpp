// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "layer_norm/layer_norm.h"

namespace lk::layer_norm {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 59;

}  // namespace

lk_status describe_forward(const lk_tensor* x, const lk_tensor* gamma, const lk_tensor* beta,
                           float eps, const lk_tensor* y, const lk_tensor* statistics,
                           Forward& call) {
  LK_TRY(as_matrix("x", x, -1, -1, call.x, kActivation));
  const int64_t m = call.x.rows, k = call.x.columns;
  LK_TRY(as_vector("gamma", gamma, k, call.gamma));
  LK_TRY(as_vector("beta", beta, k, call.beta));
  if (!(eps >= 0.0f && eps < 1e30f)) {
    return fail(LK_BAD_ARGUMENT, "eps: %g, expected zero or more, below 1e30",
                static_cast<double>(eps));
  }
  call.eps = eps;
  LK_TRY(as_matrix("y", y, m, k, call.y, {call.x.dtype, "x"}));
  LK_TRY(check_output("y", y));
  if (statistics != nullptr) {
    LK_TRY(as_matrix("statistics", statistics, m, 2, call.statistics));
    LK_TRY(check_output("statistics", statistics));
  }
  return check_outputs_apart({{"x", x}, {"gamma", gamma}, {"beta", beta}},
                             {{"y", y}, {"statistics", statistics}});
}

lk_status describe_backward(const lk_tensor* dy, const lk_tensor* x, const lk_tensor* gamma,
                            const lk_tensor* statistics, int32_t flags, const lk_tensor* d_x,
                            const lk_tensor* d_gamma, const lk_tensor* d_beta, Backward& call) {
  LK_TRY(as_matrix("dy", dy, -1, -1, call.dy, kActivation));
  const Expected like_dy = {call.dy.dtype, "dy"};
  const int64_t m = call.dy.rows, k = call.dy.columns;
  LK_TRY(as_matrix("x", x, m, k, call.x, like_dy));
  LK_TRY(as_vector("gamma", gamma, k, call.gamma));
  LK_TRY(as_matrix("statistics", statistics, m, 2, call.statistics));
  if ((flags & ~(LK_ADD_TO_D_X | LK_ADD_TO_PARAMETERS)) != 0) {
    return fail(LK_BAD_ARGUMENT, "flags: %d, expected LK_ADD_TO_D_X, LK_ADD_TO_PARAMETERS or both",
                flags);
  }
  call.add_to_d_x = (flags & LK_ADD_TO_D_X) != 0;
  call.add_to_parameters = (flags & LK_ADD_TO_PARAMETERS) != 0;
  if (d_x == nullptr && d_gamma == nullptr && d_beta == nullptr) {
    return fail(LK_BAD_ARGUMENT, "d_x, d_gamma, d_beta: all NULL, expected one at least");
  }
  if (d_x != nullptr) {
    LK_TRY(as_matrix("d_x", d_x, m, k, call.d_x, like_dy));
    LK_TRY(check_output("d_x", d_x));
  }
  if (d_gamma != nullptr) LK_TRY(as_vector("d_gamma", d_gamma, k, call.d_gamma));
  if (d_beta != nullptr) LK_TRY(as_vector("d_beta", d_beta, k, call.d_beta));
  return check_outputs_apart({{"dy", dy}, {"x", x}, {"gamma", gamma}, {"statistics", statistics}},
                             {{"d_x", d_x}, {"d_gamma", d_gamma}, {"d_beta", d_beta}});
}

lk_status describe_backward_sizes(int64_t m, int64_t k, Backward& call) {
  if (m < 1 || k < 1 || m > kMaxElements / k) {
    return fail(LK_BAD_ARGUMENT, "m, k: %lld, %lld, expected 1 or more rows and columns in range",
                static_cast<long long>(m), static_cast<long long>(k));
  }
  call.dy.rows = m;
  call.dy.columns = k;
  return LK_OK;
}

}  // namespace lk::layer_norm
