// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "optimizer/optimizer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

namespace lk::optimizer {
namespace {

// A tensor of lk_parameter; output: a step writes it.
struct Field {
  const char* name;
  lk_tensor lk_parameter::*tensor;
  bool output;
};
constexpr Field kFields[] = {{"value", &lk_parameter::value, true},
                             {"gradient", &lk_parameter::gradient, false},
                             {"first_moment", &lk_parameter::first_moment, true},
                             {"second_moment", &lk_parameter::second_moment, true}};

// "parameters[3].value"
struct Name {
  char text[64];
  Name(int64_t index, const char* field) {
    std::snprintf(text, sizeof(text), "parameters[%lld].%s", static_cast<long long>(index), field);
  }
};

lk_status check_contiguous(const Name& name, const lk_tensor& tensor, int64_t elements) {
  LK_TRY(check_dtype(name.text, &tensor, {}));
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

// The memory of one tensor of one parameter.
struct Span {
  Extent extent;
  int64_t parameter;
  const Field* field;
};

// No tensor that a step writes shares memory with another tensor of it: a parameter listed twice
// would be stepped twice, by two threads at once. Sorted by address, for models have hundreds of
// tensors; the list keeps its memory, so that steps allocate nothing.
lk_status check_spans_apart(const Parameters& list, int fields) {
  static thread_local std::vector<Span> spans;
  spans.clear();
  for (int64_t i = 0; i < list.count; ++i) {
    for (int f = 0; f < fields; ++f) {
      spans.push_back({extent(list.list[i].*kFields[f].tensor), i, &kFields[f]});
    }
  }
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
    return a.extent.first < b.extent.first;
  });
  // Of the spans so far, the one that reaches furthest, and the output that does.
  const Span *any = nullptr, *output = nullptr;
  for (const Span& span : spans) {
    const Span* before = span.field->output ? any : output;
    if (before != nullptr && overlap(before->extent, span.extent)) {
      return fail(LK_BAD_ARGUMENT, "%s and %s: share memory, expected apart",
                  Name(before->parameter, before->field->name).text,
                  Name(span.parameter, span.field->name).text);
    }
    if (any == nullptr || span.extent.last > any->extent.last) any = &span;
    if (span.field->output) output = &span;
  }
  return LK_OK;
}

// moments: how many of the parameter's moments the step changes.
lk_status check_step(const lk_parameter* parameters, int64_t count, int moments,
                     const lk_tensor* gradient_scale, Parameters& list, const float*& scale) {
  LK_TRY(check_list(parameters, count, list));
  Vector vector;
  if (gradient_scale != nullptr) LK_TRY(as_vector("gradient_scale", gradient_scale, 1, vector));
  scale = vector.data;
  const int fields = 2 + moments;
  for (int64_t i = 0; i < count; ++i) {
    const lk_parameter& p = parameters[i];
    int64_t elements = -1;
    for (int f = 0; f < fields; ++f) {
      const lk_tensor& tensor = p.*kFields[f].tensor;
      const Name name(i, kFields[f].name);
      LK_TRY(check_contiguous(name, tensor, elements));
      if (kFields[f].output) {
        LK_TRY(check_apart("gradient_scale", gradient_scale, name.text, &tensor));
      }
      elements = element_count(tensor);
    }
    LK_TRY(check_finite(Name(i, "learning_rate_scale").text, p.learning_rate_scale));
    LK_TRY(check_finite(Name(i, "weight_decay").text, p.weight_decay));
  }
  return check_spans_apart(list, fields);
}

// What the steps of all parameters are multiplied by.
lk_status check_rates(const Parameters& list, float learning_rate) {
  LK_TRY(check_finite("learning_rate", learning_rate));
  for (int64_t i = 0; i < list.count; ++i) {
    const float scale = list.list[i].learning_rate_scale;
    if (std::isfinite(scale * learning_rate)) continue;
    return fail(LK_BAD_ARGUMENT, "%s: %g, expected a finite product with the learning rate %g",
                Name(i, "learning_rate_scale").text, static_cast<double>(scale),
                static_cast<double>(learning_rate));
  }
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
    lk_tensor shape;
    LK_TRY(check_contiguous(Name(i, "gradient"), *shape_of(&parameters[i].gradient, shape), -1));
  }
  return LK_OK;
}

lk_status describe_norm(const lk_parameter* parameters, int64_t count, float max_norm,
                        const lk_tensor* norm, const lk_tensor* scale, Norm& call) {
  LK_TRY(describe_norm_sizes(parameters, count, call));
  for (int64_t i = 0; i < count; ++i) {
    LK_TRY(check_tensor(Name(i, "gradient").text, &parameters[i].gradient));
  }
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
  LK_TRY(check_step(parameters, count, 1, gradient_scale, call.parameters, call.gradient_scale));
  LK_TRY(check_rates(call.parameters, learning_rate));
  LK_TRY(check_beta("momentum", momentum));
  call.learning_rate = learning_rate;
  call.momentum = momentum;
  return LK_OK;
}

lk_status describe_adamw(const lk_parameter* parameters, int64_t count, float learning_rate,
                         float beta1, float beta2, float eps, int64_t step,
                         const lk_tensor* gradient_scale, AdamW& call) {
  LK_TRY(check_step(parameters, count, 2, gradient_scale, call.parameters, call.gradient_scale));
  LK_TRY(check_rates(call.parameters, learning_rate));
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
  return LK_OK;
}

}  // namespace lk::optimizer
