// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "gelu/gelu.h"

namespace lk::gelu {

lk_status describe_forward(const lk_tensor* x, const lk_tensor* y, Forward& call) {
  LK_TRY(as_matrix("x", x, -1, -1, call.x, kActivation));
  LK_TRY(as_matrix("y", y, call.x.rows, call.x.columns, call.y, {call.x.dtype, "x"}));
  LK_TRY(check_output("y", y));
  return check_same_or_apart("x", x, call.x, "y", y, call.y);
}

lk_status describe_backward(const lk_tensor* x, const lk_tensor* dy, const lk_tensor* d_x,
                            Backward& call) {
  LK_TRY(as_matrix("x", x, -1, -1, call.x, kActivation));
  const Expected like_x = {call.x.dtype, "x"};
  LK_TRY(as_matrix("dy", dy, call.x.rows, call.x.columns, call.dy, like_x));
  LK_TRY(as_matrix("d_x", d_x, call.x.rows, call.x.columns, call.d_x, like_x));
  LK_TRY(check_output("d_x", d_x));
  LK_TRY(check_same_or_apart("x", x, call.x, "d_x", d_x, call.d_x));
  return check_same_or_apart("dy", dy, call.dy, "d_x", d_x, call.d_x);
}

}  // namespace lk::gelu
