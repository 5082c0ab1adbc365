// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What benchmarks of CPU kernels share: a clock, and the machine's peak of f32 multiply-adds and of
// bf16 dot products to hold a kernel's speed against. Peak and kernel must take turns within one run,
// because clocks drift.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cstdint>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "lorikeet.h"
#if defined(LK_AMX)
#define LK_ISA bench
#include "common/tiles.h"
#endif

namespace lk::bench {

inline double now(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// One thread is measured by its processor time, which other load on the machine does not enter;
// several by the wall clock.
template <class Body>
double seconds(int threads, const Body& body) {
  const clockid_t clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  const double start = now(clock);
  body();
  return now(clock) - start;
}

// Independent chains of multiply-adds, or of dot products of bf16 pairs, that never leave the
// registers.
// Some 10 ms, beside which starting threads is nothing.
constexpr int64_t kPeakSteps = 6000000;
constexpr int kChains = 12;
inline volatile float peak_sink;

// Returns the floating-point operations done.
template <class Vec>
[[gnu::always_inline]] inline double multiply_add_chains() {
  Vec sum[kChains], factor = Vec{} + 0.999f, term = Vec{} + 0.5f;
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) sum[c] = Vec{} + float(c);
  for (int64_t s = 0; s < kPeakSteps; ++s) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sum[c] = sum[c] * factor + term;
  }
  float total = 0;
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) total += sum[c][0];
  peak_sink = total;
  return 2.0 * kChains * kPeakSteps * (sizeof(Vec) / sizeof(float));
}

typedef float Vec16 __attribute__((vector_size(16)));
inline double peak_work_generic() { return multiply_add_chains<Vec16>(); }
#if defined(__x86_64__)
typedef float Vec32 __attribute__((vector_size(32)));
typedef float Vec64 __attribute__((vector_size(64)));
__attribute__((target("avx2,fma"))) inline double peak_work_avx2() {
  return multiply_add_chains<Vec32>();
}
__attribute__((target("avx512f"))) inline double peak_work_avx512() {
  return multiply_add_chains<Vec64>();
}
__attribute__((target("avx512f,avx512bf16"))) inline double peak_work_bf16_pairs() {
  __m512 sum[kChains];
  const __m512bh factor = reinterpret_cast<__m512bh>(_mm512_set1_ps(0.5f));
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) sum[c] = _mm512_set1_ps(float(c));
  for (int64_t s = 0; s < kPeakSteps; ++s) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sum[c] = _mm512_dpbf16_ps(sum[c], factor, factor);
  }
  float total = 0;
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) total += sum[c][0];
  peak_sink = total;
  return 4.0 * kChains * kPeakSteps * 16;
}
#endif
#if defined(LK_AMX)
// The same by tile registers; the process has been permitted to use them by opening the device.
inline double peak_work_tiles() {
  constexpr int64_t kSteps = kPeakSteps / 10;  // a dot takes 16 cycles
  tiles::Shapes shapes;
  for (int tile = 0; tile < 8; ++tile) {
    shapes.rows[tile] = 16;
    shapes.row_bytes[tile] = 64;
  }
  alignas(64) uint32_t halves[16];  // pairs of 0.5
  for (uint32_t& pair : halves) pair = 0x3F003F00;
  const auto* numbers = reinterpret_cast<const float*>(halves);
  tiles::configure(shapes);
  tiles::load<4>(numbers, 0);
  tiles::load<5>(numbers, 0);
  tiles::load<6>(numbers, 0);
  tiles::load<7>(numbers, 0);
  for (int64_t s = 0; s < kSteps; ++s) {
    tiles::dot<0, 4, 6>();
    tiles::dot<1, 4, 7>();
    tiles::dot<2, 5, 6>();
    tiles::dot<3, 5, 7>();
  }
  tiles::release();
  return 2.0 * 4 * kSteps * 16 * 16 * 32;
}
#endif

// One thread's share for a device's instruction set and dtype: numbers that it has no instructions
// for are computed as f32.
inline double peak_work(const std::string& isa, int32_t dtype) {
#if defined(__x86_64__)
#if defined(LK_AMX)
  if (isa == "amx" && dtype == LK_BF16) return peak_work_tiles();
#endif
  if (isa == "avx512_bf16" && dtype == LK_BF16) return peak_work_bf16_pairs();
  if (isa == "avx512" || isa == "avx512_bf16" || isa == "amx") return peak_work_avx512();
  if (isa == "avx2") return peak_work_avx2();
#endif
  return peak_work_generic();
}

// Floating-point operations a second of all threads together.
inline double peak(const std::string& isa, int threads, int32_t dtype = LK_F32) {
  double work = 0;
  const double time = seconds(threads, [&] {
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back([&] { peak_work(isa, dtype); });
    work = peak_work(isa, dtype) * threads;
    for (std::thread& other : others) other.join();
  });
  return work / time;
}

}  // namespace lk::bench
