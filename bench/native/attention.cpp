// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// How near attention on the CPU comes to the machine's multiply-add peak.
//
//   lorikeet_bench_attention [f32|bf16 [threads [batch [heads [head_dim [tokens ...]]]]]]
//
// Each figure is the best of its rounds. Work counted: 4 tokens² head_dim operations a head forward
// (two products), 10 backward (five).
#include <cmath>
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

struct Shape {
  int64_t batch, heads, tokens, head_dim;
};

void run(lk_device* device, const lk_device_info& info, int32_t dtype, const Shape& s) {
  Tensor qkv(device, {s.batch, s.tokens, 3, s.heads, s.head_dim}, dtype);
  Tensor d_qkv(device, {s.batch, s.tokens, 3, s.heads, s.head_dim}, dtype);
  Tensor out(device, {s.batch, s.tokens, s.heads, s.head_dim}, dtype);
  Tensor d_out(device, {s.batch, s.tokens, s.heads, s.head_dim}, dtype);
  Tensor log_sum_exp(device, {s.batch, s.heads, s.tokens});
  size_t forward_bytes = 0, backward_bytes = 0;
  require(lk_attention_forward_workspace(device, qkv.get(), &forward_bytes));
  require(lk_attention_backward_workspace(device, qkv.get(), &backward_bytes));
  const size_t bytes = forward_bytes > backward_bytes ? forward_bytes : backward_bytes;
  void* workspace = nullptr;
  require(lk_allocate(device, bytes, &workspace));
  const float scale = 1 / std::sqrt(static_cast<float>(s.head_dim));

  double best_peak = 0, forward = 1e30, backward = 1e30;
  for (int round = 0; round < kRounds; ++round) {
    best_peak = std::fmax(best_peak, peak(info.isa, info.threads, dtype));
    forward = std::fmin(forward, seconds(info.threads, [&] {
      require(lk_attention_forward(device, qkv.get(), scale, out.get(), log_sum_exp.get(),
                                   workspace, bytes));
    }));
    backward = std::fmin(backward, seconds(info.threads, [&] {
      require(lk_attention_backward(device, qkv.get(), scale, out.get(), log_sum_exp.get(),
                                    d_out.get(), d_qkv.get(), workspace, bytes));
    }));
  }
  require(lk_free(device, workspace));
  const double square = double(s.batch) * s.heads * s.tokens * s.tokens * s.head_dim;
  const auto share = [&](double operations, double time) {
    return operations * square / time / best_peak;
  };
  std::printf("%6lld %8lld %9.1f %10.3f %7.2f %11.3f %7.2f %8.2f\n",
              static_cast<long long>(s.tokens), static_cast<long long>(s.head_dim),
              best_peak * 1e-9, forward * 1e3, share(4, forward), backward * 1e3,
              share(10, backward), share(14, forward + backward));
}

}  // namespace

int main(int argc, char** argv) {
  lk_device* device = nullptr;
  require(lk_device_open("cpu", static_cast<int32_t>(argument(argc, argv, 2, 1)), &device));
  lk_device_info info;
  require(lk_device_describe(device, &info));
  Shape shape{argument(argc, argv, 3, 1), argument(argc, argv, 4, 12), 0,
              argument(argc, argv, 5, 64)};
  const int32_t dtype = dtype_argument(argc, argv, 1);
  std::printf("attention, %s, %s, %s, %d thread(s), batch %lld, heads %lld\n", info.processor,
              info.isa, dtype == LK_BF16 ? "bf16" : "f32", info.threads, static_cast<long long>(shape.batch),
              static_cast<long long>(shape.heads));
  std::printf("tokens head_dim peak GF/s forward ms of peak backward ms of peak together\n");
  std::vector<int64_t> tokens = {197, 785};
  if (argc > 6) tokens.clear();
  for (int i = 6; i < argc; ++i) tokens.push_back(std::atoll(argv[i]));
  for (int64_t n : tokens) {
    shape.tokens = n;
    run(device, info, dtype, shape);
  }
  require(lk_device_close(device));
}
