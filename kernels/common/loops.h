// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// How cpu sources walk rows: fixed chunks of elements over the threads, whole vectors and a tail
// within them.
#pragma once

#include "common/caches.h"
#include "common/half.h"
#include "common/tensor.h"
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
constexpr int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }
constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// The same for a pass over many: up to 16 chunks that follow each other, of which the processor fetches
// the next ahead, while some 256 tasks remain. A number of the shape, not of the threads.
constexpr int64_t task_elements(int64_t elements) {
  const int64_t chunks = divide_up(elements, 256 * kChunk);
  return kChunk * (chunks < 1 ? 1 : smaller(chunks, 16));
}

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

// The same for all of rows x columns elements, cut into chunks over the threads; past_caches: run may
// store so.
template <class Run>
void over_rows(ThreadPool& pool, int64_t rows, int64_t columns, const Run& run,
               bool past_caches = false) {
  const int64_t elements = rows * columns, count = task_elements(elements);
  pool.run(divide_up(elements, count), [&](int64_t task, int) {
    const int64_t first = task * count;
    over_pieces(first, smaller(elements - first, count), columns, run);
    if (past_caches) stores_done();
  });
}

// How a body reads and writes kLanes elements of a row, f32 or a narrower T ...
struct Whole {
  template <class T>
  Vec load(const T* p) const { return LK_ISA::load(p); }
  template <class T>
  void store(T* p, Vec v) const { LK_ISA::store(p, v); }
  Vec keep(Vec v) const { return v; }
  // Where numbers that put_in_order() laid out have these lanes.
  template <class Number>
  Number* ordered(Number* p) const { return p; }
};

// ... or its last n, the other lanes being zero; keep() makes them so in a computed vector.
struct First {
  int64_t n;
  template <class T>
  Vec load(const T* p) const { return load_first(p, n); }
  template <class T>
  void store(T* p, Vec v) const { store_first(p, v, n); }
  Vec keep(Vec v) const { return select(lane_numbers() < static_cast<int32_t>(n), v, Vec{}); }
  template <class Number>
  Number* ordered(Number* p) const { return p; }
};

// body(j, part) for every vector of n elements, part being Whole or, for the last, First.
template <class Body>
void over_vectors(int64_t n, const Body& body) {
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) body(j, Whole{});
  if (j < n) body(j, First{n - j});
}

// Whether an output should be stored past the caches: it is larger than they are, so that most of it
// leaves them before anything reads it, and is no input too, whose lines are in the caches already.
inline bool passes_caches(const Matrix& output, const void* input, const void* other = nullptr) {
  return output.data != input && output.data != other &&
         output.rows * output.columns * dtype_bytes(output.dtype) > last_level_cache();
}

// N vectors side by side, for a body that takes them through each step together ...
template <class Order, int N, bool PastCaches>
struct Pairs {
  static constexpr int kCount = N;

  template <class T>
  void load(const T* p, Vec (&v)[N]) const {
    for (int i = 0; i < N; i += 2) {
      const Pair pair = Order::load(p + i * kLanes);
      v[i] = pair.first;
      v[i + 1] = pair.second;
    }
  }
  template <class T>
  void store(T* p, const Vec (&v)[N]) const {
    for (int i = 0; i < N; i += 2) {
      store_pair<Order, PastCaches>(p + i * kLanes, {v[i], v[i + 1]});
    }
  }
};

// ... or one alone.
template <class Part>
struct One {
  static constexpr int kCount = 1;
  Part part;

  template <class T>
  void load(const T* p, Vec (&v)[1]) const { v[0] = part.load(p); }
  template <class T>
  void store(T* p, const Vec (&v)[1]) const { part.store(p, v[0]); }
};

// v += what lies at p, v being a group's vectors.
template <class Group, class T, int N>
void add_loaded(const Group& group, const T* p, Vec (&v)[N]) {
  Vec loaded[N];
  group.load(p, loaded);
  for (int i = 0; i < N; ++i) v[i] += loaded[i];
}

// body(j, group) for every group of at most N vectors of n elements, a body that stores them at `output`.
// Past the caches go only whole groups, and only where they are aligned: without fetching what memory held
// there, and in no order with other stores until stores_done(), which the caller calls when all are stored.
template <class Order, int N, class T, class Body>
void over_output_groups(const T* output, int64_t n, bool past_caches, const Body& body) {
  constexpr int64_t kGroup = N * kLanes;
  int64_t j = 0;
  if (past_caches && reinterpret_cast<uintptr_t>(output) % sizeof(Vec) == 0) {
    for (; j + kGroup <= n; j += kGroup) body(j, Pairs<Order, N, true>{});
  }
  for (; j + kGroup <= n; j += kGroup) body(j, Pairs<Order, N, false>{});
  for (; j + kLanes <= n; j += kLanes) body(j, One<Whole>{});
  if (j < n) body(j, One<First>{{n - j}});
}

// n numbers as groups of two vectors have them in registers, for many rows that meet them; then zeros to
// the end of a vector.
template <class Order>
void put_in_order(const float* numbers, int64_t n, float* ordered) {
  over_output_groups<Order, 2>(ordered, n, false, [&](int64_t j, auto group) {
    Vec v[group.kCount];
    group.load(numbers + j, v);
    for (int i = 0; i < group.kCount; ++i) store(ordered + j + i * kLanes, v[i]);
  });
}

// Half of what Order::load() brings.
template <class Order>
struct FirstOfPair : Whole {
  template <class T>
  Vec load(const T* p) const { return Order::load(p).first; }
};
template <class Order>
struct SecondOfPair : Whole {
  template <class T>
  Vec load(const T* p) const { return Order::load(p).second; }
  template <class Number>
  Number* ordered(Number* p) const { return p + kLanes; }
};

// sums[s] = the sum of its terms over n elements; terms(j, part, of) sets those of element j on, one
// for each of at most two sums. Four interleaved partial sums each: the additions of one need not wait for
// each other, and each is a quarter as long. Lanes a tail does not have must be zero in its terms. The two
// sums are written out: arrays that a loop walks stay in memory.
template <class Order, int S, class Terms>
void sums_over(int64_t n, float (&sums)[S], const Terms& terms) {
  static_assert(S <= 2);
  Vec a[S] = {}, b[S] = {}, c[S] = {}, d[S] = {};
  const auto add = [&](int64_t j, auto part, Vec (&to)[S]) {
    Vec of[S];
    terms(j, part, of);
    to[0] += of[0];
    if constexpr (S == 2) to[1] += of[1];
  };
  const auto add_pair = [&](int64_t j, Vec (&first)[S], Vec (&second)[S]) {
    add(j, FirstOfPair<Order>{}, first);
    add(j, SecondOfPair<Order>{}, second);
  };
  int64_t j = 0;
  for (; j + 4 * kLanes <= n; j += 4 * kLanes) {
    add_pair(j, a, b);
    add_pair(j + 2 * kLanes, c, d);
  }
  if (j + 2 * kLanes <= n) {
    add_pair(j, a, b);
    j += 2 * kLanes;
  }
  if (j + kLanes <= n) {
    add(j, Whole{}, c);
    j += kLanes;
  }
  if (j < n) add(j, First{n - j}, d);
  sums[0] = reduce_add((a[0] + b[0]) + (c[0] + d[0]));
  if constexpr (S == 2) sums[1] = reduce_add((a[1] + b[1]) + (c[1] + d[1]));
}

// One sum, of term(j, part).
template <class Order, class Term>
float sum_over(int64_t n, const Term& term) {
  float sums[1];
  sums_over<Order>(n, sums, [&](int64_t j, auto part, Vec (&of)[1]) { of[0] = term(j, part); });
  return sums[0];
}

}  // namespace lk::LK_ISA
