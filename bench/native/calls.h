// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Layers of a vision transformer as calls of the C ABI with all the memory they need, of f32 or bf16
// activations: what benchmarks time and lorikeet_counts counts.
#pragma once

#include <cmath>

#include "tensor.h"

namespace lk::bench {

// Device memory for the larger of the workspaces asked for.
class Scratch {
 public:
  explicit Scratch(lk_device* device) : device_(device) {}
  ~Scratch() { lk_free(device_, data_); }
  Scratch(const Scratch&) = delete;
  void reserve(size_t bytes) {
    if (bytes <= bytes_) return;
    require(lk_free(device_, data_));
    require(lk_allocate(device_, bytes, &data_));
    bytes_ = bytes;
  }
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  lk_device* device_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

struct Attention {
  lk_device* device;
  float scale;
  Tensor qkv, d_qkv, out, d_out, log_sum_exp;
  Scratch scratch;

  Attention(lk_device* device, int32_t dtype, int64_t batch, int64_t heads, int64_t tokens,
            int64_t head_dim)
      : device(device),
        scale(1 / std::sqrt(static_cast<float>(head_dim))),
        qkv(device, {batch, tokens, 3, heads, head_dim}, dtype),
        d_qkv(device, {batch, tokens, 3, heads, head_dim}, dtype),
        out(device, {batch, tokens, heads, head_dim}, dtype),
        d_out(device, {batch, tokens, heads, head_dim}, dtype),
        log_sum_exp(device, {batch, heads, tokens}),
        scratch(device) {
    size_t bytes = 0;
    require(lk_attention_forward_workspace(device, qkv.get(), &bytes));
    scratch.reserve(bytes);
    require(lk_attention_backward_workspace(device, qkv.get(), &bytes));
    scratch.reserve(bytes);
  }
  void forward() {
    require(lk_attention_forward(device, qkv.get(), scale, out.get(), log_sum_exp.get(),
                                 scratch.data(), scratch.bytes()));
  }
  void backward() {
    require(lk_attention_backward(device, qkv.get(), scale, out.get(), log_sum_exp.get(),
                                  d_out.get(), d_qkv.get(), scratch.data(), scratch.bytes()));
  }
};

// y [m, n] = x Wᵀ + bias, W frozen.
struct Linear {
  lk_device* device;
  int64_t m;
  Tensor x, w, bias, y, dy, d_x, d_weight;
  lk_weight weight{};
  Scratch storage, scratch;

  Linear(lk_device* device, int32_t dtype, int64_t m, int64_t n, int64_t k)
      : device(device), m(m), x(device, {m, k}, dtype), w(device, {n, k}, dtype), bias(device, {n}),
        y(device, {m, n}, dtype), dy(device, {m, n}, dtype), d_x(device, {m, k}, dtype),
        d_weight(device, {n, k}), storage(device), scratch(device) {
    size_t bytes = 0;
    require(lk_weight_prepare_bytes(device, w.get(), LK_WEIGHT_PACKED, &bytes));
    storage.reserve(bytes);
    require(lk_weight_prepare(device, w.get(), LK_WEIGHT_PACKED, storage.data(), bytes, &weight));
    require(lk_linear_forward_workspace(device, m, &weight, &bytes));
    scratch.reserve(bytes);
    require(lk_linear_backward_workspace(device, m, &weight, &bytes));
    scratch.reserve(bytes);
  }
  void forward(const lk_epilogue* epilogue = nullptr) {
    require(lk_linear_forward(device, x.get(), &weight, bias.get(), epilogue, y.get(),
                              scratch.data(), scratch.bytes()));
  }
  // GELU, and what it was taken of kept in dy's memory.
  void forward_gelu() {
    const lk_epilogue epilogue{dy.get(), nullptr, nullptr, LK_ACTIVATION_GELU, 0};
    forward(&epilogue);
  }
  // dy's memory as the residual.
  void forward_residual() {
    const lk_epilogue epilogue{nullptr, dy.get(), nullptr, LK_ACTIVATION_NONE, 0};
    forward(&epilogue);
  }
  void input_gradient() {
    require(lk_linear_backward(device, dy.get(), nullptr, &weight, nullptr, d_x.get(), nullptr,
                               nullptr, scratch.data(), scratch.bytes()));
  }
  void weight_gradient() {
    require(lk_linear_backward(device, dy.get(), x.get(), &weight, nullptr, nullptr, d_weight.get(),
                               nullptr, scratch.data(), scratch.bytes()));
  }
};

// A linear layer with adapters: plain, or merged into the first and the last third of the columns,
// a ViT's queries and values.
struct Lora {
  Linear linear;
  Tensor a, b, d_a, d_b, h;
  lk_lora lora{};
  Scratch scratch;

  Lora(lk_device* device, int32_t dtype, int64_t m, int64_t n, int64_t k, bool merged, int32_t rank,
       float dropout)
      : linear(device, dtype, m, n, k),
        a(device, {groups(merged) * rank, k}), b(device, {columns(n, merged), rank}),
        d_a(device, {groups(merged) * rank, k}), d_b(device, {columns(n, merged), rank}),
        h(device, {m, groups(merged) * rank}), scratch(device) {
    lora.a = a.get();
    lora.b = b.get();
    lora.groups = static_cast<int32_t>(groups(merged));
    lora.group[0] = {0, merged ? n / 3 : n};
    if (merged) lora.group[1] = {2 * (n / 3), n / 3};
    lora.rank = rank;
    lora.scaling = 2;
    lora.dropout = dropout;
    lora.random = {1, 2, 3};
    size_t bytes = 0;
    require(lk_lora_linear_forward_workspace(device, m, &linear.weight, &lora, &bytes));
    scratch.reserve(bytes);
    require(lk_lora_linear_backward_workspace(device, m, &linear.weight, &lora, &bytes));
    scratch.reserve(bytes);
  }
  static int64_t groups(bool merged) { return merged ? 2 : 1; }
  static int64_t columns(int64_t n, bool merged) { return merged ? n / 3 * 2 : n; }

  void forward() {
    require(lk_lora_linear_forward(linear.device, linear.x.get(), &linear.weight, linear.bias.get(),
                                   &lora, nullptr, h.get(), linear.y.get(), scratch.data(),
                                   scratch.bytes()));
  }
  void backward() {
    require(lk_lora_linear_backward(linear.device, linear.dy.get(), linear.x.get(), &linear.weight,
                                    &lora, h.get(), nullptr, linear.d_x.get(), d_a.get(), d_b.get(),
                                    nullptr, nullptr, scratch.data(), scratch.bytes()));
  }
};

struct LayerNorm {
  lk_device* device;
  Tensor x, y, dy, d_x, gamma, beta, d_gamma, d_beta, statistics;
  Scratch scratch;

  LayerNorm(lk_device* device, int32_t dtype, int64_t m, int64_t k)
      : device(device), x(device, {m, k}, dtype), y(device, {m, k}, dtype),
        dy(device, {m, k}, dtype), d_x(device, {m, k}, dtype), gamma(device, {k}),
        beta(device, {k}), d_gamma(device, {k}), d_beta(device, {k}), statistics(device, {m, 2}),
        scratch(device) {
    size_t bytes = 0;
    require(lk_layer_norm_backward_workspace(device, m, k, &bytes));
    scratch.reserve(bytes);
  }
  void forward() {
    require(lk_layer_norm_forward(device, x.get(), gamma.get(), beta.get(), 1e-6f, y.get(),
                                  statistics.get()));
  }
  void backward() {
    require(lk_layer_norm_backward(device, dy.get(), x.get(), gamma.get(), statistics.get(), 0,
                                   d_x.get(), d_gamma.get(), d_beta.get(), scratch.data(),
                                   scratch.bytes()));
  }
};

}  // namespace lk::bench
