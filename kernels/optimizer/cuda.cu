// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Optimiser steps and the gradients' norm over many f32 tensors, on all architectures; checked
// against reference.cpp. A launch takes up to kMaxTensors tensors, described in its parameters, so
// that nothing is copied to the device first. Blocks of 256 threads, each kChunk elements of one
// tensor; 16 bytes a thread where all of a tensor's memory is so aligned.
#include <cmath>

#include "common/cuda/reduce.cuh"
#include "cuda_operations.h"

namespace lk::cuda {
namespace {

using optimizer::data_of;
using optimizer::Parameters;

constexpr int kWarps = 8, kThreads = kWarps * kWarp;
constexpr int64_t kChunk = 4096;
constexpr int kMaxTensors = 64;
constexpr int kWide = kChunkElements<float>;

struct Tensor {
  float* value;
  const float* gradient;
  float *first_moment, *second_moment;  // NULL where the step has none
  int64_t elements;
  float rate, weight_decay;
};

// Block first_block[i] is the first of tensor i's.
struct Tensors {
  Tensor tensor[kMaxTensors];
  int64_t first_block[kMaxTensors + 1];
  int count;
};
static_assert(sizeof(Tensors) <= 4000, "4 KB of parameters are what every driver takes");

int64_t elements_of(const lk_parameter& parameter) {
  int64_t elements = 1;
  for (int d = 0; d < parameter.gradient.rank; ++d) elements *= parameter.gradient.sizes[d];
  return elements;
}

int64_t chunks_of(const Parameters& parameters) {
  int64_t chunks = 0;
  for (int64_t i = 0; i < parameters.count; ++i) {
    chunks += ceil_divide(elements_of(parameters.list[i]), kChunk);
  }
  return chunks;
}

// Calls run(tensors, blocks) for kMaxTensors parameters after the other. describe(parameter, tensor)
// fills in all but the elements.
template <class Describe, class Run>
lk_status over_tensors(const Parameters& parameters, const Describe& describe, const Run& run) {
  for (int64_t first = 0; first < parameters.count; first += kMaxTensors) {
    Tensors tensors = {};
    for (int64_t i = first; i < parameters.count && i < first + kMaxTensors; ++i) {
      Tensor& tensor = tensors.tensor[tensors.count];
      describe(parameters.list[i], tensor);
      tensor.elements = elements_of(parameters.list[i]);
      tensors.first_block[tensors.count + 1] =
          tensors.first_block[tensors.count] + ceil_divide(tensor.elements, kChunk);
      tensors.count += 1;
    }
    LK_TRY(run(tensors, tensors.first_block[tensors.count]));
  }
  return LK_OK;
}

// The tensor that a block has a chunk of.
LK_DEVICE int tensor_of_block(const Tensors& tensors, int64_t block) {
  int first = 0, end = tensors.count;
  while (end - first > 1) {
    const int middle = (first + end) / 2;
    (block < tensors.first_block[middle] ? end : first) = middle;
  }
  return first;
}

// Calls body(std::integral_constant<int, n>, j) for n elements from j on, until a block's chunk is
// done. wide: pieces of 16 bytes, as far as the tensor goes.
template <class Body>
LK_DEVICE void over_chunk(int64_t first, int64_t elements, bool wide, const Body& body) {
  const int64_t end = first + kChunk < elements ? first + kChunk : elements;
  if (wide) {
#pragma unroll 4
    for (int64_t j = first + threadIdx.x * kWide; j + kWide <= end; j += kThreads * kWide) {
      body(std::integral_constant<int, kWide>{}, j);
    }
    first = end - end % kWide;  // chunks begin at whole pieces
  }
  for (int64_t j = first + threadIdx.x; j < end; j += kThreads) {
    body(std::integral_constant<int, 1>{}, j);
  }
}

// ---- Norm

// sums[b] = the sum of squares of block b's chunk, in double: neither large gradients nor many of
// them are lost. 64 bytes of shared memory; the barriers are sum_of_block's.
__global__ void __launch_bounds__(kThreads)
    squares_kernel(const LK_IN_PLACE Tensors tensors, Global<double> sums) {
  const int64_t block = blockIdx.x;
  const int t = tensor_of_block(tensors, block);
  const Global<const float> gradient = {tensors.tensor[t].gradient};
  double sum = 0;
  over_chunk((block - tensors.first_block[t]) * kChunk, tensors.tensor[t].elements,
             is_chunk_aligned(gradient.at), [&](auto n, int64_t j) {
               const auto piece = load_floats<n>(gradient + j);
#pragma unroll
               for (float g : piece.v) sum += static_cast<double>(g) * g;
             });
  sum = sum_of_block<kWarps>(sum, shared_memory().as<double>());
  if (threadIdx.x == 0) store(sums + block, sum);
}

// One block adds the chunks' sums up. 128 bytes of shared memory.
constexpr int kNormWarps = 16, kNormThreads = kNormWarps * kWarp;
__global__ void __launch_bounds__(kNormThreads)
    norm_kernel(int64_t chunks, Global<const double> sums, double max_norm, Global<float> norm,
                Global<float> scale) {
  double total = 0;
  for (int64_t i = threadIdx.x; i < chunks; i += kNormThreads) total += load(sums + i);
  total = sum_of_block<kNormWarps>(total, shared_memory().as<double>());
  if (threadIdx.x != 0) return;
  const double length = sqrt(total), wanted = max_norm > 0 ? max_norm / (length + 1e-6) : 1.0;
  store(norm, static_cast<float>(length));
  // A norm that is not a number must not look like one that needs no clipping.
  store(scale, static_cast<float>(wanted > 1.0 ? 1.0 : wanted));
}

// ---- Steps

struct SgdStep {
  float momentum;

  template <int N>
  LK_DEVICE void operator()(const Tensor& tensor, int64_t j, float gradient_scale) const {
    const Global<float> value = {tensor.value + j}, moment = {tensor.first_moment + j};
    Floats<N> w = load_floats<N>(value), m = load_floats<N>(moment);
    const Floats<N> gradient = load_floats<N>(Global<const float>{tensor.gradient + j});
#pragma unroll
    for (int e = 0; e < N; ++e) {
      const float g = gradient.v[e] * gradient_scale + tensor.weight_decay * w.v[e];
      m.v[e] = momentum * m.v[e] + g;
      w.v[e] -= tensor.rate * m.v[e];
    }
    store_floats(moment, m);
    store_floats(value, w);
  }
};

struct AdamWStep {
  float beta1, beta2, eps;
  float first_correction, second_correction;  // 1 / (1 - beta^step)

  template <int N>
  LK_DEVICE void operator()(const Tensor& tensor, int64_t j, float gradient_scale) const {
    const Global<float> value = {tensor.value + j}, first = {tensor.first_moment + j},
                        second = {tensor.second_moment + j};
    Floats<N> w = load_floats<N>(value), m = load_floats<N>(first), v = load_floats<N>(second);
    const Floats<N> gradient = load_floats<N>(Global<const float>{tensor.gradient + j});
    const float kept = 1.0f - tensor.rate * tensor.weight_decay;
#pragma unroll
    for (int e = 0; e < N; ++e) {
      const float g = gradient.v[e] * gradient_scale;
      m.v[e] = beta1 * m.v[e] + (1.0f - beta1) * g;
      v.v[e] = beta2 * v.v[e] + (1.0f - beta2) * g * g;
      const float step = m.v[e] * first_correction / (sqrtf(v.v[e] * second_correction) + eps);
      w.v[e] = w.v[e] * kept - tensor.rate * step;
    }
    store_floats(first, m);
    store_floats(second, v);
    store_floats(value, w);
  }
};

// gradient_scale: one number in device memory, NULL for 1.
template <class Step>
__global__ void __launch_bounds__(kThreads)
    step_kernel(const LK_IN_PLACE Tensors tensors, Step step, Global<const float> gradient_scale) {
  const int t = tensor_of_block(tensors, blockIdx.x);
  const Tensor tensor = tensors.tensor[t];
  const float scale = gradient_scale ? load(gradient_scale) : 1.0f;
  const bool wide = is_chunk_aligned(tensor.value) && is_chunk_aligned(tensor.gradient) &&
                    is_chunk_aligned(tensor.first_moment) && is_chunk_aligned(tensor.second_moment);
  over_chunk((blockIdx.x - tensors.first_block[t]) * kChunk, tensor.elements, wide,
             [&](auto n, int64_t j) { step.template operator()<n>(tensor, j, scale); });
}

template <class Step>
lk_status run_step(const char* name, const Context& context, const Parameters& parameters,
                   float learning_rate, const Step& step, bool has_second_moment,
                   const float* gradient_scale) {
  return over_tensors(
      parameters,
      [&](const lk_parameter& parameter, Tensor& tensor) {
        tensor.value = data_of(parameter.value);
        tensor.gradient = data_of(parameter.gradient);
        tensor.first_moment = data_of(parameter.first_moment);
        tensor.second_moment = has_second_moment ? data_of(parameter.second_moment) : nullptr;
        tensor.rate = learning_rate * parameter.learning_rate_scale;
        tensor.weight_decay = parameter.weight_decay;
      },
      [&](const Tensors& tensors, int64_t blocks) {
        return launch(name, step_kernel<Step>, context, {blocks, kThreads}, tensors, step,
                      Global<const float>{gradient_scale});
      });
}

// 1 / (1 - beta^step).
float bias_correction(float beta, int64_t step) {
  const double power = std::pow(static_cast<double>(beta), static_cast<double>(step));
  return 1.0f / static_cast<float>(1 - power);
}

}  // namespace

size_t gradient_norm_workspace(const Context&, const optimizer::Norm& call) {
  return static_cast<size_t>(chunks_of(call.parameters)) * sizeof(double);
}

lk_status gradient_norm(const Context& context, const optimizer::Norm& call) {
  auto* sums = static_cast<double*>(context.workspace);
  int64_t done = 0;
  LK_TRY(over_tensors(
      call.parameters,
      [](const lk_parameter& parameter, Tensor& tensor) {
        tensor.gradient = data_of(parameter.gradient);
      },
      [&](const Tensors& tensors, int64_t blocks) {
        constexpr int kSharedBytes = kWarps * sizeof(double);
        const Global<double> own = {sums + done};
        done += blocks;
        return launch("gradient_norm", squares_kernel, context, {blocks, kThreads, kSharedBytes},
                      tensors, own);
      }));
  constexpr int kSharedBytes = kNormWarps * sizeof(double);
  return launch("gradient_norm_finish", norm_kernel, context, {1, kNormThreads, kSharedBytes}, done,
                Global<const double>{sums}, static_cast<double>(call.max_norm),
                Global<float>{call.norm}, Global<float>{call.scale});
}

lk_status sgd_step(const Context& context, const optimizer::Sgd& call) {
  return run_step("sgd_step", context, call.parameters, call.learning_rate, SgdStep{call.momentum},
                  false, call.gradient_scale);
}

lk_status adamw_step(const Context& context, const optimizer::AdamW& call) {
  const AdamWStep step = {call.beta1, call.beta2, call.eps, bias_correction(call.beta1, call.step),
                          bias_correction(call.beta2, call.step)};
  return run_step("adamw_step", context, call.parameters, call.learning_rate, step, true,
                  call.gradient_scale);
}

}  // namespace lk::cuda
