// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <vector>

#include "attention/attention.h"
#include "common/half_scalar.h"
#include "common/reference.h"

namespace lk::attention {
namespace {

template <class Real>
Real dot(const float* a, const float* b, int64_t n) {
  Real sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += Real(a[i]) * b[i];
  return sum;
}

template <class Body>
void for_each_head(const Sizes& sizes, const Body& body) {
  for (int64_t b = 0; b < sizes.batch; ++b) {
    for (int64_t h = 0; h < sizes.heads; ++h) body(b, h);
  }
}

template <class Real>
void forward_head(const Forward& call, int64_t b, int64_t h) {
  const int64_t tokens = call.sizes.tokens, d = call.sizes.head_dim;
  const HeadRows q = head_of_qkv(call.qkv, kQuery, b, h), k = head_of_qkv(call.qkv, kKey, b, h);
  const HeadRows v = head_of_qkv(call.qkv, kValue, b, h), out = head_of_out(call.out, b, h);
  std::vector<Real> p(tokens);
  for (int64_t i = 0; i < tokens; ++i) {
    Real largest = -INFINITY, sum = 0;
    for (int64_t j = 0; j < tokens; ++j) {
      p[j] = call.scale * dot<Real>(q.row(i), k.row(j), d);
      largest = std::fmax(largest, p[j]);
    }
    for (int64_t j = 0; j < tokens; ++j) sum += p[j] = std::exp(p[j] - largest);
    std::vector<Real> weighted(d);
    for (int64_t j = 0; j < tokens; ++j) add_scaled(p[j] / sum, v.row(j), d, weighted.data());
    for (int64_t c = 0; c < d; ++c) out.row(i)[c] = static_cast<float>(weighted[c]);
    if (call.log_sum_exp) {
      head_of_log_sum_exp(call.log_sum_exp, b, h)[i] = static_cast<float>(largest + std::log(sum));
    }
  }
}

template <class Real>
void backward_head(const Backward& call, int32_t weights_dtype, int64_t b, int64_t h) {
  const int64_t tokens = call.sizes.tokens, d = call.sizes.head_dim;
  const HeadRows q = head_of_qkv(call.qkv, kQuery, b, h), k = head_of_qkv(call.qkv, kKey, b, h);
  const HeadRows v = head_of_qkv(call.qkv, kValue, b, h);
  const HeadRows out = head_of_out(call.out, b, h), d_out = head_of_out(call.d_out, b, h);
  const float* log_sum_exp = head_of_log_sum_exp(call.log_sum_exp, b, h);
  std::vector<Real> d_q(tokens * d), d_k(tokens * d), d_v(tokens * d);
  for (int64_t i = 0; i < tokens; ++i) {
    const Real weighted = dot<Real>(d_out.row(i), out.row(i), d);
    for (int64_t j = 0; j < tokens; ++j) {
      Real p = std::exp(call.scale * dot<Real>(q.row(i), k.row(j), d) - log_sum_exp[i]);
      const Real d_p = dot<Real>(d_out.row(i), v.row(j), d);
      Real d_s = call.scale * (p * (d_p - weighted));
      if (weights_dtype != LK_F32) {
        p = round_to(weights_dtype, static_cast<float>(p));
        d_s = round_to(weights_dtype, static_cast<float>(d_s));
      }
      add_scaled(p, d_out.row(i), d, &d_v[j * d]);
      add_scaled(d_s, k.row(j), d, &d_q[i * d]);
      add_scaled(d_s, q.row(i), d, &d_k[j * d]);
    }
  }
  const auto write = [&](Part part, const std::vector<Real>& gradient) {
    const HeadRows rows = head_of_qkv(call.d_qkv, part, b, h);
    for (int64_t i = 0; i < tokens * d; ++i) {
      rows.row(i / d)[i % d] = static_cast<float>(gradient[i]);
    }
  };
  write(kQuery, d_q);
  write(kKey, d_k);
  write(kValue, d_v);
}

}  // namespace

template <class Real>
void reference_forward(const Forward& call) {
  for_each_head(call.sizes, [&](int64_t b, int64_t h) { forward_head<Real>(call, b, h); });
}

// With P = softmax(scale q kᵀ) and D = rowsum(d_out ∘ out):
// d_v = Pᵀ d_out; d_P = d_out vᵀ; d_S = P ∘ (d_P - D); d_q = scale d_S k; d_k = scale d_Sᵀ q.
template <class Real>
void reference_backward(const Backward& call, int32_t weights_dtype) {
  for_each_head(call.sizes,
                [&](int64_t b, int64_t h) { backward_head<Real>(call, weights_dtype, b, h); });
}

template void reference_forward<double>(const Forward&);
template void reference_forward<float>(const Forward&);
template void reference_backward<double>(const Backward&, int32_t);
template void reference_backward<float>(const Backward&, int32_t);

}  // namespace lk::attention
