// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// How near the linear layer and the fused LoRA layer on the CPU come to the machine's multiply-add
// peak, by default at the shape of a ViT-B's merged qkv with a batch of 8.
//
//   lorikeet_bench_linear [f32|bf16 [threads [m [k [n]]]]]
//
// Peak and kernel take turns; each figure is the median of its rounds, and the share in brackets is
// that of the best ones, which other load on the machine matters less to. Work counted: 2 m n k a product
// with W, 2 m k r and 2 m columns r for the low-rank ones, nothing for dropout and epilogues.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "peak.h"
#include "tensor.h"

namespace {

using lk::bench::argument;
using lk::bench::dtype_argument;
using lk::bench::peak;
using lk::bench::require;
using lk::bench::seconds;
using lk::bench::Tensor;

constexpr int kRounds = 15;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Layer {
  lk_device* device;
  lk_device_info info;
  int32_t dtype;
  int64_t m, k, n;
  Tensor x, w, bias, y, dy, d_x;
  lk_weight weight{};
  void* storage = nullptr;

  Layer(lk_device* device, const lk_device_info& info, int32_t dtype, int64_t m, int64_t k,
        int64_t n)
      : device(device), info(info), dtype(dtype), m(m), k(k), n(n), x(device, {m, k}, dtype),
        w(device, {n, k}, dtype), bias(device, {n}), y(device, {m, n}, dtype),
        dy(device, {m, n}, dtype), d_x(device, {m, k}, dtype) {
    size_t bytes = 0;
    require(lk_weight_prepare_bytes(device, w.get(), LK_WEIGHT_PACKED, &bytes));
    require(lk_allocate(device, bytes, &storage));
    require(lk_weight_prepare(device, w.get(), LK_WEIGHT_PACKED, storage, bytes, &weight));
  }
  ~Layer() { lk_free(device, storage); }

  // Times body, which does `operations`, in turn with the peak.
  template <class Body>
  void report(const char* name, double operations, const Body& body) {
    std::vector<double> peaks, rates;
    body();
    for (int round = 0; round < kRounds; ++round) {
      peaks.push_back(peak(info.isa, info.threads, dtype));
      rates.push_back(operations / seconds(info.threads, body));
    }
    const double best = *std::max_element(rates.begin(), rates.end()) /
                        *std::max_element(peaks.begin(), peaks.end());
    std::printf("%-42s %9.1f %9.1f %8.2f (%.2f)\n", name, median(peaks) * 1e-9,
                median(rates) * 1e-9, median(rates) / median(peaks), best);
  }
};

void run_linear(Layer& layer) {
  size_t bytes = 0;
  require(lk_linear_forward_workspace(layer.device, layer.m, &layer.weight, &bytes));
  void* workspace = nullptr;
  require(lk_allocate(layer.device, bytes, &workspace));
  layer.report("linear forward", 2.0 * layer.m * layer.k * layer.n, [&] {
    require(lk_linear_forward(layer.device, layer.x.get(), &layer.weight, layer.bias.get(), nullptr,
                              layer.y.get(), workspace, bytes));
  });
  require(lk_free(layer.device, workspace));
  require(lk_linear_backward_workspace(layer.device, layer.m, &layer.weight, &bytes));
  require(lk_allocate(layer.device, bytes, &workspace));
  layer.report("linear d_x", 2.0 * layer.m * layer.k * layer.n, [&] {
    require(lk_linear_backward(layer.device, layer.dy.get(), nullptr, &layer.weight, nullptr,
                               layer.d_x.get(), nullptr, nullptr, workspace, bytes));
  });
  Tensor d_weight(layer.device, {layer.n, layer.k});
  layer.report("linear d_weight", 2.0 * layer.m * layer.k * layer.n, [&] {
    require(lk_linear_backward(layer.device, layer.dy.get(), layer.x.get(), &layer.weight, nullptr,
                               nullptr, d_weight.get(), nullptr, workspace, bytes));
  });
  require(lk_free(layer.device, workspace));
}

// Two groups, the first and the last third of the columns: q and v of a merged qkv.
void run_lora(Layer& layer, int32_t rank, float dropout) {
  const int64_t third = layer.n / 3;
  Tensor a(layer.device, {2 * rank, layer.k}), b(layer.device, {2 * third, rank});
  Tensor d_a(layer.device, {2 * rank, layer.k}), d_b(layer.device, {2 * third, rank});
  Tensor h(layer.device, {layer.m, 2 * rank});
  lk_lora lora{};
  lora.a = a.get();
  lora.b = b.get();
  lora.group[0] = {0, third};
  lora.group[1] = {2 * third, third};
  lora.groups = 2;
  lora.rank = rank;
  lora.scaling = 32.0f / rank;
  lora.dropout = dropout;
  lora.random = {1, 2, 3};
  size_t forward = 0, backward = 0;
  require(lk_lora_linear_forward_workspace(layer.device, layer.m, &layer.weight, &lora, &forward));
  require(lk_lora_linear_backward_workspace(layer.device, layer.m, &layer.weight, &lora, &backward));
  const size_t bytes = std::max(forward, backward);
  void* workspace = nullptr;
  require(lk_allocate(layer.device, bytes, &workspace));
  const double low_rank = 2.0 * layer.m * 2 * rank * (layer.k + third);
  const double product = 2.0 * layer.m * layer.k * layer.n;
  char name[64];
  std::snprintf(name, sizeof(name), "LoRA r %d p %.1f forward + backward", rank,
                static_cast<double>(dropout));
  layer.report(name, 2 * product + 3 * low_rank, [&] {
    require(lk_lora_linear_forward(layer.device, layer.x.get(), &layer.weight, layer.bias.get(),
                                   &lora, nullptr, h.get(), layer.y.get(), workspace, bytes));
    require(lk_lora_linear_backward(layer.device, layer.dy.get(), layer.x.get(), &layer.weight,
                                    &lora, h.get(), nullptr, layer.d_x.get(), d_a.get(), d_b.get(),
                                    nullptr, nullptr, workspace, bytes));
  });
  require(lk_free(layer.device, workspace));
}

void run(lk_device* device, int argc, char** argv) {
  lk_device_info info;
  require(lk_device_describe(device, &info));
  Layer layer(device, info, dtype_argument(argc, argv, 1), argument(argc, argv, 3, 1576),
              argument(argc, argv, 4, 768), argument(argc, argv, 5, 2304));
  std::printf("linear, %s, %s, %s, %d thread(s), m %lld, k %lld, n %lld\n", info.processor,
              info.isa, layer.dtype == LK_BF16 ? "bf16" : "f32", info.threads,
              static_cast<long long>(layer.m), static_cast<long long>(layer.k),
              static_cast<long long>(layer.n));
  std::printf("%-42s %9s %9s %8s\n", "", "peak GF/s", "GF/s", "of peak");
  run_linear(layer);
  for (const int32_t rank : {4, 16}) {
    for (const float dropout : {0.0f, 0.1f}) run_lora(layer, rank, dropout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  lk_device* device = nullptr;
  require(lk_device_open("cpu", static_cast<int32_t>(argument(argc, argv, 2, 0)), &device));
  run(device, argc, argv);
  require(lk_device_close(device));
}
