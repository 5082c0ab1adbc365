// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <vector>

#include "common/reference.h"
#include "linear/linear.h"

namespace lk::linear {
namespace {

template <class Real>
Real gelu(Real z) {
  return z * (1 + std::erf(z * std::sqrt(Real(0.5)))) / 2;
}

template <class Real>
Real gelu_derivative(Real z) {
  const Real cdf = (1 + std::erf(z * std::sqrt(Real(0.5)))) / 2;
  return cdf + z * std::exp(-z * z / 2) / std::sqrt(2 * Real(M_PI));
}

}  // namespace

template <class Real>
void reference_epilogue(const Epilogue& epilogue, int64_t i, int64_t j, Real z, const Matrix& y) {
  if (epilogue.pre_activation) epilogue.pre_activation.row(i)[j] = static_cast<float>(z);
  const Real scaled = (epilogue.gelu ? gelu(z) : z) * Real(epilogue.row_scale[i]);
  const Real residual = epilogue.residual ? epilogue.residual.row(i)[j] : 0.0f;
  y.row(i)[j] = static_cast<float>(residual + scaled);
}

template <class Real>
void reference_input_gradient(const Backward& call, int64_t i, int64_t k, Real d_x) {
  if (call.x_pre_activation) d_x *= gelu_derivative(Real(call.x_pre_activation.row(i)[k]));
  if (call.add_to_d_x) d_x += call.d_x.row(i)[k];
  call.d_x.row(i)[k] = static_cast<float>(d_x);
}

template <class Real>
void reference_forward(const Forward& call) {
  const ProductWithTransposed<Real> product(call.w);
  for (int64_t i = 0; i < call.x.rows; ++i) {
    const std::vector<Real> z = product.of(call.x.row(i));
    for (int64_t j = 0; j < call.w.n; ++j) {
      const Real bias = call.bias ? call.bias.data[j] : 0.0f;
      reference_epilogue(call.epilogue, i, j, z[j] + bias, call.y);
    }
  }
}

template <class Real>
void reference_parameter_gradients(const Backward& call) {
  for (int64_t j = 0; j < call.w.n; ++j) {
    std::vector<Real> d_weight(call.w.k, 0);
    Real d_bias = 0;
    for (int64_t i = 0; i < call.dy.rows; ++i) {
      const Real dy = Real(call.dy.row(i)[j]) * Real(call.row_scale[i]);
      d_bias += dy;
      if (call.d_weight) add_scaled(dy, call.x.row(i), call.w.k, d_weight.data());
    }
    for (int64_t k = 0; k < call.w.k && call.d_weight; ++k) {
      float& place = call.d_weight.row(j)[k];
      place = static_cast<float>(d_weight[k] + (call.add_to_parameters ? place : 0.0f));
    }
    if (call.d_bias) {
      float& place = call.d_bias.data[j];
      place = static_cast<float>(d_bias + (call.add_to_parameters ? place : 0.0f));
    }
  }
}

template <class Real>
void reference_backward(const Backward& call) {
  for (int64_t i = 0; i < call.dy.rows && call.d_x; ++i) {
    std::vector<Real> d_x(call.w.k, 0);
    for (int64_t j = 0; j < call.w.n; ++j) {
      const Real dy = Real(call.dy.row(i)[j]) * Real(call.row_scale[i]);
      add_scaled(dy, call.w.row(j), call.w.k, d_x.data());
    }
    for (int64_t k = 0; k < call.w.k; ++k) reference_input_gradient(call, i, k, d_x[k]);
  }
  reference_parameter_gradients<Real>(call);
}

#define LK_INSTANTIATE(Real)                                                                \
  template void reference_epilogue<Real>(const Epilogue&, int64_t, int64_t, Real, const Matrix&); \
  template void reference_input_gradient<Real>(const Backward&, int64_t, int64_t, Real);    \
  template void reference_parameter_gradients<Real>(const Backward&);                       \
  template void reference_forward<Real>(const Forward&);                                    \
  template void reference_backward<Real>(const Backward&);
LK_INSTANTIATE(double)
LK_INSTANTIATE(float)
#undef LK_INSTANTIATE

}  // namespace lk::linear
