// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// One pass, vectors of kLanes, fixed chunks of elements shared out among the threads. Strided
// elements are collected into a vector first, so that there is one conversion to be right.
#include "common/loops.h"
#include "common/half.h"
#include "cpu_operations.h"

namespace lk::LK_ISA {
namespace {

// run(source offset, destination offset, n) for every piece of the innermost dimension.
template <class Run>
void over_walk(ThreadPool& pool, const elementwise::Walk& walk, const Run& run) {
  const int inner = walk.rank - 1;
  const int64_t count = task_elements(walk.elements);
  pool.run(divide_up(walk.elements, count), [&](int64_t task, int) {
    int64_t next = task * count;
    const int64_t end = smaller(walk.elements, next + count);
    while (next < end) {
      int64_t rest = next, source = 0, destination = 0;
      for (int d = inner; d >= 0; --d) {
        source += rest % walk.sizes[d] * walk.source_strides[d];
        destination += rest % walk.sizes[d] * walk.destination_strides[d];
        rest /= walk.sizes[d];
      }
      const int64_t n = smaller(walk.sizes[inner] - next % walk.sizes[inner], end - next);
      run(source, destination, n);
      next += n;
    }
  });
}

// Conversions keep subnormal numbers, which a kernel's store() of bf16 may not.
template <class To>
void store_exactly(To* p, Vec v) { store(p, v); }
void store_exactly(Bf16* p, Vec v) { store_words(&p->bits, rounded_to_bf16(v) >> 16); }

// Up to kLanes elements at any stride.
template <class From, class To>
void convert_strided(const From* source, int64_t source_stride, To* destination,
                     int64_t destination_stride, int64_t n) {
  From in[kLanes] = {};
  To out[kLanes];
  for (int64_t i = 0; i < n; ++i) in[i] = source[i * source_stride];
  store_exactly(out, load(in));
  for (int64_t i = 0; i < n; ++i) destination[i * destination_stride] = out[i];
}

template <class From, class To>
void convert_as(const Context& context, const elementwise::Convert& call) {
  const int inner = call.walk.rank - 1;
  const int64_t from_stride = call.walk.source_strides[inner];
  const int64_t to_stride = call.walk.destination_strides[inner];
  over_walk(*context.pool, call.walk, [&](int64_t from, int64_t to, int64_t n) {
    const From* source = static_cast<const From*>(call.source) + from;
    To* destination = static_cast<To*>(call.destination) + to;
    int64_t j = 0;
    if (from_stride == 1 && to_stride == 1) {
      for (; j + kLanes <= n; j += kLanes) store_exactly(destination + j, load(source + j));
    }
    for (; j < n; j += kLanes) {
      convert_strided(source + j * from_stride, from_stride, destination + j * to_stride, to_stride,
                      smaller(n - j, kLanes));
    }
  });
}

// Elements of one type: their bits, untouched.
template <class Word>
void copy_as(const Context& context, const elementwise::Convert& call) {
  const int inner = call.walk.rank - 1;
  const int64_t from_stride = call.walk.source_strides[inner];
  const int64_t to_stride = call.walk.destination_strides[inner];
  over_walk(*context.pool, call.walk, [&](int64_t from, int64_t to, int64_t n) {
    const Word* source = static_cast<const Word*>(call.source) + from;
    Word* destination = static_cast<Word*>(call.destination) + to;
    if (from_stride == 1 && to_stride == 1) {
      __builtin_memcpy(destination, source, static_cast<size_t>(n) * sizeof(Word));
      return;
    }
    for (int64_t j = 0; j < n; ++j) destination[j * to_stride] = source[j * from_stride];
  });
}

template <class From>
void convert_from(const Context& context, const elementwise::Convert& call) {
  switch (call.destination_dtype) {
    case LK_BF16: return convert_as<From, Bf16>(context, call);
    case LK_F16: return convert_as<From, F16>(context, call);
    default: return convert_as<From, float>(context, call);
  }
}

}  // namespace

lk_status fill(const Context& context, const elementwise::Fill& call) {
  const int64_t stride = call.walk.destination_strides[call.walk.rank - 1];
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    T values[kLanes];
    store(values, splat(call.value));
    over_walk(*context.pool, call.walk, [&](int64_t, int64_t to, int64_t n) {
      T* out = static_cast<T*>(call.data) + to;
      int64_t j = 0;
      if (stride == 1) {
        for (; j + kLanes <= n; j += kLanes) __builtin_memcpy(out + j, values, sizeof(values));
      }
      for (; j < n; ++j) out[j * stride] = values[0];
    });
  });
  return LK_OK;
}

lk_status add(const Context& context, const elementwise::Add& call) {
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    over_rows(*context.pool, call.y.rows, call.y.columns, [&](int64_t i, int64_t first, int64_t n) {
      const T* a = call.a.row_of<T>(i) + first;
      const T* b = call.b.row_of<T>(i) + first;
      T* y = call.y.row_of<T>(i) + first;
      over_vectors(n, [&](int64_t j, auto part) {
        part.store(y + j, part.load(a + j) + part.load(b + j));
      });
    });
  });
  return LK_OK;
}

lk_status convert(const Context& context, const elementwise::Convert& call) {
  if (call.source_dtype == call.destination_dtype) {
    const bool narrow = call.source_dtype == LK_BF16 || call.source_dtype == LK_F16;
    narrow ? copy_as<uint16_t>(context, call) : copy_as<uint32_t>(context, call);
    return LK_OK;
  }
  switch (call.source_dtype) {
    case LK_F32: convert_from<float>(context, call); break;
    case LK_BF16: convert_from<Bf16>(context, call); break;
    case LK_F16: convert_from<F16>(context, call); break;
    default: convert_as<uint8_t, float>(context, call);
  }
  return LK_OK;
}

}  // namespace lk::LK_ISA
