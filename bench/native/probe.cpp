// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The machine's limits, measured on demand beside a benchmark that runs in another process:
//
//   lorikeet_bench_probe ISA THREADS
//
// Every line read asks for one measurement and is answered by one number: "f32" and "bf16" by
// floating-point operations a second on such numbers (f32's where a processor has no instructions for
// bf16), "memory" by bytes a second, the best of reading, changing in place, and reading two arrays to
// write a third; by bytes a second too those of a loop that does nothing else than read one array and write
// another ("copy"), read two and write a third ("sum"), read one and change two or three others in place
// ("update_two", "update_three"); anything else by 0. Between questions it sleeps.
//
// With several threads an answer is the best of a few attempts: those that have just woken share a core
// until the system spreads them, some 10 ms later.
#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iostream>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "peak.h"

namespace {

// Bytes of all last caches that the system tells of, 0 where it tells of none.
int64_t last_caches() {
  int64_t bytes = 0;
  std::set<std::string> seen;
  for (int cpu = 0;; ++cpu) {
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cache/index3/";
    std::string sharers;
    int64_t kilobytes = 0;
    if (!std::getline(std::ifstream(folder + "shared_cpu_list"), sharers)) return bytes;
    if (std::ifstream(folder + "size") >> kilobytes && seen.insert(sharers).second) {
      bytes += kilobytes * 1024;
    }
  }
}

// Of each of the four arrays: as large as all last caches, so that one pass leaves nothing of the one
// before in them.
const int64_t kFloats = std::max(int64_t{1} << 24, last_caches() / 4 / 64 * 64);

typedef float Vec __attribute__((vector_size(64)));

// In memory of the device's, whose pages are large where the system has such.
struct Arrays {
  float *a, *b, *c, *d;

  explicit Arrays(lk_device* device) {
    for (float** array : {&a, &b, &c, &d}) {
      void* block = nullptr;
      if (lk_allocate(device, kFloats * sizeof(float), &block) != LK_OK) throw std::bad_alloc();
      *array = static_cast<float*>(block);
      std::fill_n(*array, kFloats, 1.0f);
    }
  }
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

void copy(Arrays& x, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) x.c[i] = x.a[i];
}

// One array is read, Count others change in place.
template <int Count>
void update(Arrays& x, int64_t begin, int64_t end) {
  float* const changed[] = {x.b, x.c, x.d};
  for (int64_t i = begin; i < end; i += 16) {
    Vec a;
    std::memcpy(&a, &x.a[i], sizeof(a));
#pragma GCC unroll 3
    for (int u = 0; u < Count; ++u) {
      Vec v;
      std::memcpy(&v, &changed[u][i], sizeof(v));
      v = 0.5f * v + a;
      std::memcpy(&changed[u][i], &v, sizeof(v));
    }
  }
}

// Past the caches, without fetching what the output held, where the processor can.
#if defined(__x86_64__)
void copy_past(Arrays& x, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += 4) _mm_stream_ps(&x.c[i], _mm_loadu_ps(&x.a[i]));
  _mm_sfence();
}

void sum_past(Arrays& x, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += 4) {
    _mm_stream_ps(&x.c[i], _mm_add_ps(_mm_loadu_ps(&x.a[i]), _mm_loadu_ps(&x.b[i])));
  }
  _mm_sfence();
}
#else
constexpr auto copy_past = copy, sum_past = triad;
#endif

// Bytes a second that a pass moves, `arrays` counting each array once a direction.
double rate(void (*pass)(Arrays&, int64_t, int64_t), int arrays, Arrays& x, int threads) {
  const double time = lk::bench::seconds(threads, [&] {
    std::vector<std::thread> others;
    const auto begin = [&](int64_t t) { return kFloats / 64 * t / threads * 64; };
    const auto part = [&](int t) { pass(x, begin(t), begin(t + 1)); };
    for (int t = 1; t < threads; ++t) others.emplace_back(part, t);
    part(0);
    for (std::thread& other : others) other.join();
  });
  return 4.0 * arrays * kFloats / time;
}

// One thread's time is its own: a single attempt serves.
template <class Measure>
double best_of(int attempts, int threads, const Measure& measure) {
  double best = measure();
  for (int i = 1; i < attempts && threads > 1; ++i) best = std::max(best, measure());
  return best;
}

// 0 where it is no memory's.
double bytes_per_second(const std::string& what, lk_device* device, int threads) {
  static Arrays arrays(device);
  return best_of(3, threads, [&] {
    const auto rate_of = [&](auto pass, int count) { return rate(pass, count, arrays, threads); };
    if (what == "copy") return std::max(rate_of(copy, 2), rate_of(copy_past, 2));
    if (what == "sum") return std::max(rate_of(triad, 3), rate_of(sum_past, 3));
    if (what == "update_two") return rate_of(update<2>, 5);
    if (what == "update_three") return rate_of(update<3>, 7);
    if (what != "memory") return 0.0;
    return std::max({rate_of(read, 1), rate_of(scale, 2), rate_of(triad, 3), rate_of(sum_past, 3)});
  });
}

double operations_per_second(const std::string& what, const std::string& isa, int threads) {
  return best_of(5, threads, [&] {
    return lk::bench::peak(isa, threads, what == "bf16" ? LK_BF16 : LK_F32);
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 || std::atoi(argv[2]) < 1) {
    std::cerr << "usage: lorikeet_bench_probe ISA THREADS\n";
    return 2;
  }
  // Ctrl-C is meant for the benchmark, which closes the input when it is done.
  std::signal(SIGINT, SIG_IGN);
  const std::string isa = argv[1];
  const int threads = std::atoi(argv[2]);
  // Asks the system for the registers that some instruction sets need.
  lk_device* device = nullptr;
  if (lk_device_open("cpu", 1, &device) != LK_OK) {
    std::cerr << lk_last_error() << '\n';
    return 1;
  }
  for (std::string what; std::getline(std::cin, what);) {
    const bool operations = what == "f32" || what == "bf16";
    std::cout << (operations ? operations_per_second(what, isa, threads)
                             : bytes_per_second(what, device, threads))
              << std::endl;
  }
}
