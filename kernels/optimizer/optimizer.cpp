// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "optimizer/optimizer.h"

#include <cmath>
#include <cstdio>

namespace lk::optimizer {
namespace {

// "parameters[3].value"
struct Name {
  char text[64];
  Name(int64_t index, const char* field) {
    std::snprintf(text, sizeof(text), "parameters[%lld].%s", static_cast<long long>(index), field);
  }
};

lk_status check_contiguous(const Name& name, const lk_tensor& tensor, int64_t elements) {
  LK_TRY(check_f32(name.text, &tensor));
  int64_t stride = 1;
  bool contiguous = true;
  for (int d = tensor.rank - 1; d >= 0; --d) {
    contiguous = contiguous && (tensor.sizes[d] == 1 || tensor.strides[d] == stride);
    stride *= tensor.sizes[d];
  }
  if (!contiguous || element_count(tensor) == 0) {
    return fail(LK_BAD_ARGUMENT, "%s: %s, expected contiguous and not empty", name.text,
                shape_text(tensor).text);
  }
  if (elements >= 0 && element_count(tensor) != elements) {
    return fail(LK_BAD_ARGUMENT, "%s: %s, expected %lld elements, as the parameter's other tensors",
                name.text, shape_text(tensor).text, static_cast<long long>(elements));
  }
  return LK_OK;
}

lk_status check_finite(const char* name, float value) {
  if (std::isfinite(value)) return LK_OK;
  return fail(LK_BAD_ARGUMENT, "%s: %g, expected a finite number", name, static_cast<double>(value));
}

lk_status check_list(const lk_parameter* parameters, int64_t count, Parameters& list) {
  if (count < 1 || parameters == nullptr) {
    return fail(LK_BAD_ARGUMENT, "parameters: %s with count %lld, expected 1 or more",
                parameters == nullptr ? "NULL" : "a list", static_cast<long long>(count));
  }
  list = {parameters, count};
  return LK_OK;
}

// moments: how many of the parameter's moments the step changes.
lk_status check_parameters(const Parameters& list, int moments) {
  for (int64_t i = 0; i < list.count; ++i) {
    const lk_parameter& p = list.list[i];
    const lk_tensor* tensors[4] = {&p.value, &p.gradient, &p.first_moment, &p.second_moment};
    const char* fields[4] = {"value", "gradient", "first_moment", "second_moment"};
    int64_t elements = -1;
    for (int t = 0; t < 2 + moments; ++t) {
      const Name name(i, fields[t]);
      LK_TRY(check_contiguous(name, *tensors[t], elements));
      elements = element_count(*tensors[t]);
      for (int other = 0; other < t; ++other) {
        LK_TRY(check_apart(Name(i, fields[other]).text, tensors[other], name.text, tensors[t]));
      }
    }
    LK_TRY(check_finite(Name(i, "learning_rate_scale").text, p.learning_rate_scale));
    LK_TRY(check_finite(Name(i, "weight_decay").text, p.weight_decay));
  }
  return LK_OK;
}

lk_status read_gradient_scale(const lk_tensor* tensor, const float*& scale) {
  Vector vector;
  if (tensor != nullptr) LK_TRY(as_vector("gradient_scale", tensor, 1, vector));
  scale = vector.data;
  return LK_OK;
}

lk_status check_beta(const char* name, float beta) {
  if (beta >= 0.0f && beta < 1.0f) return LK_OK;
  return fail(LK_BAD_ARGUMENT, "%s: %g, expected 0 <= %s < 1", name, static_cast<double>(beta),
              name);
}

}  // namespace

lk_status describe_norm_sizes(const lk_parameter* parameters, int64_t count, Norm& call) {
  LK_TRY(check_list(parameters, count, call.parameters));
  for (int64_t i = 0; i < count; ++i) {
    LK_TRY(check_contiguous(Name(i, "gradient"), parameters[i].gradient, -1));
  }
  return LK_OK;
}

lk_status describe_norm(const lk_parameter* parameters, int64_t count, float max_norm,
                        const lk_tensor* norm, const lk_tensor* scale, Norm& call) {
  LK_TRY(describe_norm_sizes(parameters, count, call));
  LK_TRY(check_finite("max_norm", max_norm));
  call.max_norm = max_norm;
  Vector vector;
  LK_TRY(as_vector("norm", norm, 1, vector));
  call.norm = vector.data;
  LK_TRY(as_vector("scale", scale, 1, vector));
  call.scale = vector.data;
  LK_TRY(check_apart("norm", norm, "scale", scale));
  for (int64_t i = 0; i < count; ++i) {
    const Name name(i, "gradient");
    LK_TRY(check_apart(name.text, &parameters[i].gradient, "norm", norm));
    LK_TRY(check_apart(name.text, &parameters[i].gradient, "scale", scale));
  }
  return LK_OK;
}

lk_status describe_sgd(const lk_parameter* parameters, int64_t count, float learning_rate,
                       float momentum, const lk_tensor* gradient_scale, Sgd& call) {
  LK_TRY(check_list(parameters, count, call.parameters));
  LK_TRY(check_parameters(call.parameters, 1));
  LK_TRY(check_finite("learning_rate", learning_rate));
  LK_TRY(check_beta("momentum", momentum));
  call.learning_rate = learning_rate;
  call.momentum = momentum;
  return read_gradient_scale(gradient_scale, call.gradient_scale);
}

lk_status describe_adamw(const lk_parameter* parameters, int64_t count, float learning_rate,
                         float beta1, float beta2, float eps, int64_t step,
                         const lk_tensor* gradient_scale, AdamW& call) {
  LK_TRY(check_list(parameters, count, call.parameters));
  LK_TRY(check_parameters(call.parameters, 2));
  LK_TRY(check_finite("learning_rate", learning_rate));
  LK_TRY(check_beta("beta1", beta1));
  LK_TRY(check_beta("beta2", beta2));
  if (!(eps > 0.0f) || !std::isfinite(eps)) {
    return fail(LK_BAD_ARGUMENT, "eps: %g, expected more than 0", static_cast<double>(eps));
  }
  if (step < 1) {
    return fail(LK_BAD_ARGUMENT, "step: %lld, expected 1 or more", static_cast<long long>(step));
  }
  call.learning_rate = learning_rate;
  call.beta1 = beta1;
  call.beta2 = beta2;
  call.eps = eps;
  call.step = step;
  return read_gradient_scale(gradient_scale, call.gradient_scale);
}

}  // namespace lk::optimizer
