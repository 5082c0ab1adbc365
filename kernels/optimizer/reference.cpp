// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "optimizer/optimizer.h"

namespace lk::optimizer {
namespace {

template <class Real>
Real read_scale(const float* scale) {
  return scale != nullptr ? static_cast<Real>(*scale) : Real(1);
}

}  // namespace

template <class Real>
void reference_norm(const Norm& call) {
  Real sum = 0;
  for (int64_t i = 0; i < call.parameters.count; ++i) {
    const lk_tensor& gradient = call.parameters.list[i].gradient;
    for (int64_t j = 0; j < element_count(gradient); ++j) {
      const Real g = data_of(gradient)[j];
      sum += g * g;
    }
  }
  const Real norm = std::sqrt(sum);
  *call.norm = static_cast<float>(norm);
  const Real scale = Real(call.max_norm) / (norm + Real(1e-6));
  *call.scale = static_cast<float>(call.max_norm <= 0 || scale > 1 ? Real(1) : scale);
}

template <class Real>
void reference_sgd(const Sgd& call) {
  for (int64_t i = 0; i < call.parameters.count; ++i) {
    const lk_parameter& p = call.parameters.list[i];
    for (int64_t j = 0; j < element_count(p.value); ++j) {
      const Real value = data_of(p.value)[j];
      const Real g = data_of(p.gradient)[j] * read_scale<Real>(call.gradient_scale) +
                     Real(p.weight_decay) * value;
      const Real m = Real(call.momentum) * data_of(p.first_moment)[j] + g;
      data_of(p.first_moment)[j] = static_cast<float>(m);
      data_of(p.value)[j] =
          static_cast<float>(value - Real(call.learning_rate) * p.learning_rate_scale * m);
    }
  }
}

template <class Real>
void reference_adamw(const AdamW& call) {
  const Real beta1 = call.beta1, beta2 = call.beta2;
  const Real correction1 = 1 - std::pow(beta1, Real(call.step));
  const Real correction2 = 1 - std::pow(beta2, Real(call.step));
  for (int64_t i = 0; i < call.parameters.count; ++i) {
    const lk_parameter& p = call.parameters.list[i];
    const Real rate = Real(call.learning_rate) * p.learning_rate_scale;
    for (int64_t j = 0; j < element_count(p.value); ++j) {
      const Real g = data_of(p.gradient)[j] * read_scale<Real>(call.gradient_scale);
      const Real m = beta1 * data_of(p.first_moment)[j] + (1 - beta1) * g;
      const Real v = beta2 * data_of(p.second_moment)[j] + (1 - beta2) * g * g;
      data_of(p.first_moment)[j] = static_cast<float>(m);
      data_of(p.second_moment)[j] = static_cast<float>(v);
      const Real kept = data_of(p.value)[j] * (1 - rate * p.weight_decay);
      data_of(p.value)[j] = static_cast<float>(
          kept - rate * (m / correction1) / (std::sqrt(v / correction2) + call.eps));
    }
  }
}

template void reference_norm<double>(const Norm&);
template void reference_norm<float>(const Norm&);
template void reference_sgd<double>(const Sgd&);
template void reference_sgd<float>(const Sgd&);
template void reference_adamw<double>(const AdamW&);
template void reference_adamw<float>(const AdamW&);

}  // namespace lk::optimizer
