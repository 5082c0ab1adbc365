// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Times the layers of a ViT-B with a batch of 64 on a device, each call after the L2 cache was
// overwritten, and prints a line of JSON a case: the median of as many calls as fit its time.
//
//   lorikeet_bench_gpu DEVICE [SECONDS [ROUND [tiny]]]
//
// SECONDS: for a case, 0.5 if left out. ROUND goes into the lines. tiny: shapes that the executor runs
// in seconds, to try the program. On CUDA devices times are those between two events; elsewhere the
// wall clock's.
#include <algorithm>
#include <chrono>
#include <functional>

#include <string>

#include "calls.h"
#ifdef LK_BENCH_CUDA
#include <cuda_runtime.h>
#endif

namespace {

using lk::bench::require;

#ifdef LK_BENCH_CUDA
void require_cuda(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s\n", cudaGetErrorString(error));
  std::exit(1);
}

// Events on the legacy default stream, which main hands to the device.
double time_by_events(const std::function<void()>& flush, const std::function<void()>& body) {
  static cudaEvent_t begin, end;
  if (begin == nullptr) {
    require_cuda(cudaEventCreate(&begin));
    require_cuda(cudaEventCreate(&end));
  }
  flush();
  require_cuda(cudaEventRecord(begin));
  body();
  require_cuda(cudaEventRecord(end));
  require_cuda(cudaEventSynchronize(end));
  float milliseconds = 0;
  require_cuda(cudaEventElapsedTime(&milliseconds, begin, end));
  return 1e3 * milliseconds;
}
#endif

double time_by_clock(lk_device* device, const std::function<void()>& flush,
                     const std::function<void()>& body) {
  flush();
  require(lk_synchronize(device));
  const auto begin = std::chrono::steady_clock::now();
  body();
  require(lk_synchronize(device));
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
}

class Bench {
 public:
  Bench(lk_device* device, const std::string& name, double seconds, int round, int64_t flush_floats)
      : device_(device), name_(name), seconds_(seconds), round_(round), flushed_(device, {flush_floats}) {
    lk_device_info info;
    require(lk_device_describe(device, &info));
    is_cuda_ = name.rfind("cuda", 0) == 0;
    dtype_ = info.dtypes >> LK_BF16 & 1 ? LK_BF16 : LK_F32;
  }
  int32_t dtype() const { return dtype_; }

  void report(const char* what, const std::function<void()>& body) {
    body();  // the first call of a kernel loads it
    require(lk_synchronize(device_));
    std::vector<double> times;
    const auto begin = std::chrono::steady_clock::now();
    const std::chrono::duration<double> all(seconds_);
    do {
      times.push_back(time(body));
    } while (std::chrono::steady_clock::now() - begin < all);
    std::sort(times.begin(), times.end());
    std::printf("{\"case\": \"%s\", \"by\": \"lorikeet\", \"device\": \"%s\", \"dtype\": \"%s\", \"round\": %d, "
                "\"calls\": %zu, \"us\": %.2f}\n",
                what, name_.c_str(), dtype_ == LK_BF16 ? "bf16" : "f32", round_, times.size(),
                times[times.size() / 2]);
    std::fflush(stdout);
  }

 private:
  double time(const std::function<void()>& body) {
    const auto flush = [&] { require(lk_fill(device_, flushed_.get(), 0)); };
#ifdef LK_BENCH_CUDA
    if (is_cuda_) return time_by_events(flush, body);
#endif
    return time_by_clock(device_, flush, body);
  }

  lk_device* device_;
  std::string name_;
  double seconds_;
  int round_;
  lk::bench::Tensor flushed_;
  bool is_cuda_ = false;
  int32_t dtype_ = LK_F32;
};

struct Sizes {
  int64_t batch, tokens, long_tokens, heads, head_dim, hidden;
  int64_t rows() const { return batch * tokens; }
  int64_t width() const { return heads * head_dim; }
};
constexpr Sizes kViTB = {64, 197, 785, 12, 64, 3072};
constexpr Sizes kTiny = {1, 17, 33, 1, 64, 128};

void run(lk_device* device, Bench& bench, const Sizes& s) {
  for (const bool merged : {false, true}) {
    lk::bench::Lora lora(device, bench.dtype(), s.rows(), 3 * s.width(), s.width(), merged, 16, 0.1f);
    bench.report(merged ? "lora_merged_forward" : "lora_plain_forward", [&] { lora.forward(); });
    bench.report(merged ? "lora_merged_backward" : "lora_plain_backward", [&] { lora.backward(); });
  }
  {
    lk::bench::Linear qkv(device, bench.dtype(), s.rows(), 3 * s.width(), s.width());
    bench.report("linear_qkv_forward", [&] { qkv.forward(); });
    bench.report("linear_qkv_input_gradient", [&] { qkv.input_gradient(); });
    bench.report("linear_qkv_weight_gradient", [&] { qkv.weight_gradient(); });
  }
  {
    lk::bench::Linear fc1(device, bench.dtype(), s.rows(), s.hidden, s.width());
    bench.report("linear_fc1_gelu_forward", [&] { fc1.forward_gelu(); });
  }
  {
    lk::bench::Linear fc2(device, bench.dtype(), s.rows(), s.width(), s.hidden);
    bench.report("linear_fc2_residual_forward", [&] { fc2.forward_residual(); });
  }
  for (const bool longer : {false, true}) {
    lk::bench::Attention attention(device, bench.dtype(), s.batch, s.heads,
                                   longer ? s.long_tokens : s.tokens, s.head_dim);
    bench.report(longer ? "attention_785_forward" : "attention_197_forward", [&] { attention.forward(); });
    bench.report(longer ? "attention_785_backward" : "attention_197_backward", [&] { attention.backward(); });
  }
  lk::bench::LayerNorm layer_norm(device, bench.dtype(), s.rows(), s.width());
  bench.report("layer_norm_forward", [&] { layer_norm.forward(); });
  bench.report("layer_norm_backward", [&] { layer_norm.backward(); });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 5) {
    std::fprintf(stderr, "usage: lorikeet_bench_gpu DEVICE [SECONDS [ROUND [tiny]]]\n");
    return 2;
  }
  const bool tiny = argc > 4 && std::string(argv[4]) == "tiny";
  lk_device* device = nullptr;
  require(lk_device_open(argv[1], 0, &device));
#ifdef LK_BENCH_CUDA
  if (std::string(argv[1]).rfind("cuda", 0) == 0) require(lk_set_stream(device, cudaStreamLegacy));
#endif
  {
    // 256 MB are more than any L2 cache.
    Bench bench(device, argv[1], argc > 2 ? std::atof(argv[2]) : 0.5, argc > 3 ? std::atoi(argv[3]) : 1,
                tiny ? 1024 : int64_t{64} << 20);
    run(device, bench, tiny ? kTiny : kViTB);
  }
  require(lk_device_close(device));
}
