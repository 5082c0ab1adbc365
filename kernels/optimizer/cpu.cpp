// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// All parameters' elements are cut into chunks that lie within one parameter; a task is some chunks in a row.
// The norm sums each chunk in double and then the chunks in order, so that neither large gradients
// nor many of them are lost.
#include "common/loops.h"
#include "cpu_operations.h"

namespace lk::LK_ISA {
namespace {

using optimizer::data_of;
using optimizer::Parameters;

// Half of a Vec's lanes, and the same in double.
typedef float HalfVec __attribute__((vector_size(LK_VECTOR_BYTES / 2)));
typedef double WideVec __attribute__((vector_size(LK_VECTOR_BYTES)));

int64_t elements_of(const lk_parameter& parameter) {
  const lk_tensor& tensor = parameter.gradient;
  int64_t count = 1;
  for (int d = 0; d < tensor.rank; ++d) count *= tensor.sizes[d];
  return count;
}

int64_t chunks_of(const Parameters& parameters) {
  int64_t chunks = 0;
  for (int64_t i = 0; i < parameters.count; ++i) {
    chunks += divide_up(elements_of(parameters.list[i]), kChunk);
  }
  return chunks;
}

// run(parameter, first, n, chunk) for every chunk.
template <class Run>
void over_chunks(ThreadPool& pool, const Parameters& parameters, const Run& run) {
  const int64_t chunks = chunks_of(parameters), count = task_elements(chunks * kChunk) / kChunk;
  pool.run(divide_up(chunks, count), [&](int64_t task, int) {
    int64_t chunk = task * count, before = 0;  // chunks of the parameters that came earlier
    const int64_t last = smaller(chunk + count, chunks);
    for (const lk_parameter* parameter = parameters.list; chunk < last; ++parameter) {
      const int64_t elements = elements_of(*parameter), own = divide_up(elements, kChunk);
      for (; chunk < smaller(last, before + own); ++chunk) {
        const int64_t first = (chunk - before) * kChunk;
        run(*parameter, first, smaller(elements - first, kChunk), chunk);
      }
      before += own;
    }
  });
}

double sum_of_squares(const float* x, int64_t n) {
  // A register each.
  WideVec low{}, high{};
  over_vectors(n, [&](int64_t j, auto part) {
    const Vec v = part.load(x + j);
    HalfVec halves[2];
    __builtin_memcpy(halves, &v, sizeof(v));
    const WideVec first = __builtin_convertvector(halves[0], WideVec);
    const WideVec second = __builtin_convertvector(halves[1], WideVec);
    low += first * first;
    high += second * second;
  });
  double total = 0;
  for (int i = 0; i < kLanes / 2; ++i) total += low[i];
  for (int i = 0; i < kLanes / 2; ++i) total += high[i];
  return total;
}

Vec square_root(Vec v) {
  float lane[kLanes];
  __builtin_memcpy(lane, &v, sizeof(v));
  for (int i = 0; i < kLanes; ++i) lane[i] = __builtin_sqrtf(lane[i]);
  __builtin_memcpy(&v, lane, sizeof(v));
  return v;
}

// 1 - beta^step.
float bias_correction(float beta, int64_t step) {
  return static_cast<float>(1 - __builtin_pow(static_cast<double>(beta), static_cast<double>(step)));
}

}  // namespace

size_t gradient_norm_workspace(const Context&, const optimizer::Norm& call) {
  return static_cast<size_t>(chunks_of(call.parameters)) * sizeof(double);
}

lk_status gradient_norm(const Context& context, const optimizer::Norm& call) {
  double* sums = static_cast<double*>(context.workspace);
  over_chunks(*context.pool, call.parameters,
              [&](const lk_parameter& parameter, int64_t first, int64_t n, int64_t chunk) {
    sums[chunk] = sum_of_squares(data_of(parameter.gradient) + first, n);
  });
  double total = 0;
  for (int64_t chunk = 0, chunks = chunks_of(call.parameters); chunk < chunks; ++chunk) {
    total += sums[chunk];
  }
  const double norm = __builtin_sqrt(total);
  const double scale = call.max_norm > 0 ? static_cast<double>(call.max_norm) / (norm + 1e-6) : 1.0;
  *call.norm = static_cast<float>(norm);
  // A norm that is not a number must not look like one that needs no clipping.
  *call.scale = static_cast<float>(scale > 1.0 ? 1.0 : scale);
  return LK_OK;
}

lk_status sgd_step(const Context& context, const optimizer::Sgd& call) {
  const float gradient_scale = call.gradient_scale != nullptr ? *call.gradient_scale : 1.0f;
  over_chunks(*context.pool, call.parameters,
              [&](const lk_parameter& parameter, int64_t first, int64_t n, int64_t) {
    float* value = data_of(parameter.value) + first;
    float* moment = data_of(parameter.first_moment) + first;
    const float* gradient = data_of(parameter.gradient) + first;
    const float rate = call.learning_rate * parameter.learning_rate_scale;
    over_vectors(n, [&](int64_t j, auto part) {
      const Vec old = part.load(value + j);
      const Vec g = part.load(gradient + j) * gradient_scale + parameter.weight_decay * old;
      const Vec m = call.momentum * part.load(moment + j) + g;
      part.store(moment + j, m);
      part.store(value + j, old - rate * m);
    });
  });
  return LK_OK;
}

lk_status adamw_step(const Context& context, const optimizer::AdamW& call) {
  const float gradient_scale = call.gradient_scale != nullptr ? *call.gradient_scale : 1.0f;
  const float first_correction = 1.0f / bias_correction(call.beta1, call.step);
  const float second_correction = 1.0f / bias_correction(call.beta2, call.step);
  over_chunks(*context.pool, call.parameters,
              [&](const lk_parameter& parameter, int64_t first, int64_t n, int64_t) {
    float* value = data_of(parameter.value) + first;
    float* m = data_of(parameter.first_moment) + first;
    float* v = data_of(parameter.second_moment) + first;
    const float* gradient = data_of(parameter.gradient) + first;
    const float rate = call.learning_rate * parameter.learning_rate_scale;
    const float kept = 1.0f - rate * parameter.weight_decay;
    over_vectors(n, [&](int64_t j, auto part) {
      const Vec g = part.load(gradient + j) * gradient_scale;
      const Vec new_m = call.beta1 * part.load(m + j) + (1.0f - call.beta1) * g;
      const Vec new_v = call.beta2 * part.load(v + j) + (1.0f - call.beta2) * g * g;
      part.store(m + j, new_m);
      part.store(v + j, new_v);
      const Vec step =
          new_m * first_correction / (square_root(new_v * second_correction) + call.eps);
      part.store(value + j, part.load(value + j) * kept - rate * step);
    });
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
