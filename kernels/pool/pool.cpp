// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "pool/pool.h"

namespace lk::pool {
namespace {

constexpr int64_t kAnySizes[3] = {-1, -1, -1};

lk_status check_first_token(int64_t first_token, int64_t tokens) {
  if (first_token >= 0 && first_token < tokens) return LK_OK;
  return fail(LK_BAD_ARGUMENT, "first_token: %lld, expected 0 to %lld (%lld tokens)",
              static_cast<long long>(first_token), static_cast<long long>(tokens - 1),
              static_cast<long long>(tokens));
}

}  // namespace

lk_status describe_forward(const lk_tensor* x, int64_t first_token, const lk_tensor* y,
                           Forward& call) {
  LK_TRY(as_view("x", x, 3, kAnySizes, call.x, kActivation));
  LK_TRY(check_first_token(first_token, call.x.sizes[1]));
  call.first_token = first_token;
  LK_TRY(as_matrix("y", y, call.x.sizes[0], call.x.sizes[2], call.y));
  LK_TRY(check_output("y", y));
  return check_apart("x", x, "y", y);
}

lk_status describe_backward(const lk_tensor* dy, int64_t first_token, const lk_tensor* d_x,
                            Backward& call) {
  LK_TRY(as_view("d_x", d_x, 3, kAnySizes, call.d_x, kActivation));
  LK_TRY(check_output("d_x", d_x));
  LK_TRY(check_first_token(first_token, call.d_x.sizes[1]));
  call.first_token = first_token;
  LK_TRY(as_matrix("dy", dy, call.d_x.sizes[0], call.d_x.sizes[2], call.dy));
  return check_apart("dy", dy, "d_x", d_x);
}

}  // namespace lk::pool
