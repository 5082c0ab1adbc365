// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// How elementwise cpu sources share out their elements: fixed chunks over the threads, whole
// vectors and a tail within them.
#pragma once

#include "common/simd.h"
#include "common/thread_pool.h"

namespace lk::LK_ISA {

// Elements of a task: many enough to pay for handing it out, few enough to occupy all threads.
constexpr int64_t kChunk = 8192;

inline int64_t chunks(int64_t elements) { return (elements + kChunk - 1) / kChunk; }

// Walks rows x columns elements in row-major order, cut into chunks over the threads:
// run(i, j, n) does elements j .. j + n - 1 of row i.
template <class Run>
void over_rows(ThreadPool& pool, int64_t rows, int64_t columns, const Run& run) {
  const int64_t elements = rows * columns;
  pool.run(chunks(elements), [&](int64_t chunk, int) {
    int64_t left = elements - chunk * kChunk < kChunk ? elements - chunk * kChunk : kChunk;
    int64_t i = chunk * kChunk / columns, j = chunk * kChunk % columns;
    while (left > 0) {
      const int64_t n = columns - j < left ? columns - j : left;
      run(i, j, n);
      left -= n;
      i += 1;
      j = 0;
    }
  });
}

// full(j) for every vector of kLanes elements in [0, n), then tail(j, rest) for what is left.
template <class Full, class Tail>
void over_vectors(int64_t n, const Full& full, const Tail& tail) {
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) full(j);
  if (j < n) tail(j, n - j);
}

}  // namespace lk::LK_ISA
