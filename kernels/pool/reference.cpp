// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "pool/pool.h"

namespace lk::pool {
template <class Real>
void reference_forward(const Forward& call) {
  const int64_t tokens = call.x.sizes[1];
  for (int64_t b = 0; b < call.y.rows; ++b) {
    for (int64_t j = 0; j < call.y.columns; ++j) {
      Real sum = 0;
      for (int64_t t = call.first_token; t < tokens; ++t) sum += call.x.row(b, t)[j];
      call.y.row(b)[j] = static_cast<float>(sum / (tokens - call.first_token));
    }
  }
}

template <class Real>
void reference_backward(const Backward& call) {
  const int64_t tokens = call.d_x.sizes[1];
  for (int64_t b = 0; b < call.dy.rows; ++b) {
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t j = 0; j < call.dy.columns; ++j) {
        const Real share = call.dy.row(b)[j] / Real(tokens - call.first_token);
        call.d_x.row(b, t)[j] = t < call.first_token ? 0.0f : static_cast<float>(share);
      }
    }
  }
}

template void reference_forward<double>(const Forward&);
template void reference_forward<float>(const Forward&);
template void reference_backward<double>(const Backward&);
template void reference_backward<float>(const Backward&);

}  // namespace lk::pool
