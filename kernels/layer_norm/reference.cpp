// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <vector>

#include "layer_norm/layer_norm.h"

namespace lk::layer_norm {

template <class Real>
void reference_forward(const Forward& call) {
  const int64_t k = call.x.columns;
  for (int64_t i = 0; i < call.x.rows; ++i) {
    const float* x = call.x.row(i);
    Real mean = 0, variance = 0;
    for (int64_t j = 0; j < k; ++j) mean += x[j];
    mean /= k;
    for (int64_t j = 0; j < k; ++j) variance += (x[j] - mean) * (x[j] - mean);
    variance /= k;
    const Real rstd = 1 / std::sqrt(variance + call.eps);
    for (int64_t j = 0; j < k; ++j) {
      const Real y = (x[j] - mean) * rstd * call.gamma.data[j] + call.beta.data[j];
      call.y.row(i)[j] = static_cast<float>(y);
    }
    if (call.statistics) {
      call.statistics.row(i)[0] = static_cast<float>(mean);
      call.statistics.row(i)[1] = static_cast<float>(rstd);
    }
  }
}

// With n = (x - mean) rstd and g = dy gamma, each a row, and the mean taken over k:
// d_x = rstd (g - mean(g) - n mean(g n)); d_gamma = sum of dy n and d_beta = sum of dy over rows.
template <class Real>
void reference_backward(const Backward& call) {
  const int64_t k = call.x.columns;
  std::vector<Real> d_gamma(k), d_beta(k);
  for (int64_t i = 0; i < call.x.rows; ++i) {
    const float* x = call.x.row(i);
    const float* dy = call.dy.row(i);
    const Real mean = call.statistics.row(i)[0], rstd = call.statistics.row(i)[1];
    const auto normalised = [&](int64_t j) { return (x[j] - mean) * rstd; };
    const auto g = [&](int64_t j) { return Real(dy[j]) * call.gamma.data[j]; };
    Real mean_g = 0, mean_gn = 0;
    for (int64_t j = 0; j < k; ++j) {
      mean_g += g(j);
      mean_gn += g(j) * normalised(j);
      d_gamma[j] += dy[j] * normalised(j);
      d_beta[j] += dy[j];
    }
    mean_g /= k;
    mean_gn /= k;
    for (int64_t j = 0; j < k && call.d_x; ++j) {
      const Real before = call.add_to_d_x ? call.d_x.row(i)[j] : 0;
      const Real d_x = rstd * (g(j) - mean_g - normalised(j) * mean_gn);
      call.d_x.row(i)[j] = static_cast<float>(before + d_x);
    }
  }
  for (int64_t j = 0; j < k; ++j) {
    if (call.d_gamma) {
      const Real before = call.add_to_parameters ? call.d_gamma.data[j] : 0;
      call.d_gamma.data[j] = static_cast<float>(before + d_gamma[j]);
    }
    if (call.d_beta) {
      const Real before = call.add_to_parameters ? call.d_beta.data[j] : 0;
      call.d_beta.data[j] = static_cast<float>(before + d_beta[j]);
    }
  }
}

template void reference_forward<double>(const Forward&);
template void reference_forward<float>(const Forward&);
template void reference_backward<double>(const Backward&);
template void reference_backward<float>(const Backward&);

}  // namespace lk::layer_norm
