// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "gelu/gelu.h"

namespace lk::gelu {
namespace {

template <class Real>
Real cdf(Real x) {
  return (1 + std::erf(x * std::sqrt(Real(0.5)))) / 2;
}

template <class Real>
Real density(Real x) {
  return std::exp(-x * x / 2) / std::sqrt(2 * Real(M_PI));
}

}  // namespace

template <class Real>
void reference_forward(const Forward& call) {
  for (int64_t i = 0; i < call.x.rows; ++i) {
    for (int64_t j = 0; j < call.x.columns; ++j) {
      const Real x = call.x.row(i)[j];
      call.y.row(i)[j] = static_cast<float>(x * cdf(x));
    }
  }
}

template <class Real>
void reference_backward(const Backward& call) {
  for (int64_t i = 0; i < call.x.rows; ++i) {
    for (int64_t j = 0; j < call.x.columns; ++j) {
      const Real x = call.x.row(i)[j];
      call.d_x.row(i)[j] = static_cast<float>(call.dy.row(i)[j] * (cdf(x) + x * density(x)));
    }
  }
}

template void reference_forward<double>(const Forward&);
template void reference_forward<float>(const Forward&);
template void reference_backward<double>(const Backward&);
template void reference_backward<float>(const Backward&);

}  // namespace lk::gelu
