// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// How cpu sources walk rows: fixed chunks of elements over the threads, whole vectors and a tail
// within them.
#pragma once

#include "common/half.h"
#include "common/thread_pool.h"

namespace lk::LK_ISA {

// Asks for n numbers of each of some rows before they are needed: rows that lie pages apart are a
// pattern that no hardware prefetcher follows. In small helpings, for requests that find no room are
// dropped.
template <class T>
inline void fetch_rows(const T* first, int64_t stride, int64_t rows, int64_t n) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < n; j += kLine) __builtin_prefetch(first + i * stride + j, 0, 2);
  }
  // The compiler takes functions of nothing else as having no effect, and leaves their calls out.
  asm volatile("");
}

// Elements of a task: many enough to pay for handing it out, few enough to occupy all threads.
constexpr int64_t kChunk = 8192;

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

struct Range {
  int64_t first, last;

  int64_t size() const { return last - first; }
};
inline Range part(int64_t count, int64_t index, int64_t parts) {
  return {count * index / parts, count * (index + 1) / parts};
}

// Walks elements first .. first + count - 1, in row-major order, of rows of `columns` elements:
// run(i, j, n) does elements j .. j + n - 1 of row i.
template <class Run>
void over_pieces(int64_t first, int64_t count, int64_t columns, const Run& run) {
  int64_t i = first / columns, j = first % columns;
  while (count > 0) {
    const int64_t n = smaller(columns - j, count);
    run(i, j, n);
    count -= n;
    i += 1;
    j = 0;
  }
}

// The same for all of rows x columns elements, cut into chunks over the threads.
template <class Run>
void over_rows(ThreadPool& pool, int64_t rows, int64_t columns, const Run& run) {
  const int64_t elements = rows * columns;
  pool.run(divide_up(elements, kChunk), [&](int64_t chunk, int) {
    const int64_t first = chunk * kChunk;
    over_pieces(first, smaller(elements - first, kChunk), columns, run);
  });
}

// How a body reads and writes kLanes elements of a row, f32 or a narrower T ...
struct Whole {
  template <class T>
  Vec load(const T* p) const { return LK_ISA::load(p); }
  template <class T>
  void store(T* p, Vec v) const { LK_ISA::store(p, v); }
  Vec keep(Vec v) const { return v; }
};

// ... or its last n, the other lanes being zero; keep() makes them so in a computed vector.
struct First {
  int64_t n;
  template <class T>
  Vec load(const T* p) const { return load_first(p, n); }
  template <class T>
  void store(T* p, Vec v) const { store_first(p, v, n); }
  Vec keep(Vec v) const { return select(lane_numbers() < static_cast<int32_t>(n), v, Vec{}); }
};

// body(j, part) for every vector of n elements, part being Whole or, for the last, First.
template <class Body>
void over_vectors(int64_t n, const Body& body) {
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) body(j, Whole{});
  if (j < n) body(j, First{n - j});
}

// The sum of term(j, part) over n elements, in four interleaved partial sums: the additions of one
// need not wait for each other, and each is a quarter as long. Lanes a tail does not have must be
// zero in its term.
template <class Term>
float sum_over(int64_t n, const Term& term) {
  Vec sums[4] = {};
  int64_t j = 0;
  for (; j + 4 * kLanes <= n; j += 4 * kLanes) {
    for (int u = 0; u < 4; ++u) sums[u] += term(j + u * kLanes, Whole{});
  }
  for (int u = 0; j + kLanes <= n; j += kLanes, ++u) sums[u] += term(j, Whole{});
  if (j < n) sums[3] += term(j, First{n - j});
  return reduce_add((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

}  // namespace lk::LK_ISA
