// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The machine's limits, measured on demand beside a benchmark that runs in another process:
//
//   lorikeet_bench_probe ISA THREADS
//
// Every line read asks for one measurement and is answered by one number: "f32" and "bf16" by
// floating-point operations a second on such numbers (f32's where a processor has no instructions for
// bf16), "memory" by bytes a second, anything else by 0. Between questions it sleeps.
//
// An answer is the best of a few attempts: threads that have just woken share a core until the system
// spreads them, some 10 ms later.
#include <algorithm>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "peak.h"

namespace {

// Each of the three arrays: together several times the caches of the processors that people have.
constexpr int64_t kFloats = int64_t{1} << 24;

typedef float Vec __attribute__((vector_size(64)));

struct Arrays {
  std::vector<float> a, b, c;
  Arrays() : a(kFloats, 1), b(kFloats, 2), c(kFloats, 0) {}
};

void read(Arrays& x, int64_t begin, int64_t end) {
  Vec sum[4] = {};
  for (int64_t i = begin; i + 64 <= end; i += 64) {
#pragma GCC unroll 4
    for (int u = 0; u < 4; ++u) {
      Vec v;
      std::memcpy(&v, &x.a[i + 16 * u], sizeof(v));
      sum[u] += v;
    }
  }
  lk::bench::peak_sink = (sum[0] + sum[1] + sum[2] + sum[3])[0];
}

void scale(Arrays& x, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) x.c[i] = 0.5f * x.c[i] + 1;
}

void triad(Arrays& x, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) x.c[i] = x.a[i] + 0.5f * x.b[i];
}

// Bytes a second that a pass moves, `arrays` counting each array once a direction.
double rate(void (*pass)(Arrays&, int64_t, int64_t), int arrays, Arrays& x, int threads) {
  const double time = lk::bench::seconds(threads, [&] {
    std::vector<std::thread> others;
    const auto part = [&](int t) { pass(x, kFloats / threads * t, kFloats / threads * (t + 1)); };
    for (int t = 1; t < threads; ++t) others.emplace_back(part, t);
    part(0);
    for (std::thread& other : others) other.join();
  });
  return 4.0 * arrays * kFloats / time;
}

// The best of reading, changing in place, and reading two arrays to write a third.
double memory(int threads) {
  static Arrays arrays;
  return std::max({rate(read, 1, arrays, threads), rate(scale, 2, arrays, threads),
                   rate(triad, 3, arrays, threads)});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 || std::atoi(argv[2]) < 1) {
    std::cerr << "usage: lorikeet_bench_probe ISA THREADS\n";
    return 2;
  }
  const std::string isa = argv[1];
  const int threads = std::atoi(argv[2]);
  // Asks the system for the registers that some instruction sets need.
  lk_device* device = nullptr;
  if (lk_device_open("cpu", 1, &device) != LK_OK) {
    std::cerr << lk_last_error() << '\n';
    return 1;
  }
  const int attempts = threads == 1 ? 1 : 5;
  for (std::string what; std::getline(std::cin, what);) {
    double answer = 0;
    for (int attempt = 0; attempt < attempts; ++attempt) {
      if (what == "f32") answer = std::max(answer, lk::bench::peak(isa, threads));
      if (what == "bf16") answer = std::max(answer, lk::bench::peak(isa, threads, LK_BF16));
    }
    if (what == "memory") answer = memory(threads);
    std::cout << answer << std::endl;
  }
}
