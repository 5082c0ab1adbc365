// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// A row at a time, twice or three times over while it is in cache; see README.md.
#include "common/loops.h"
#include "cpu_operations.h"

namespace lk::LK_ISA {
namespace {

using layer_norm::Backward;
using layer_norm::Forward;

// d_gamma and d_beta are summed over blocks of rows first, then over the blocks. Both numbers
// decide the order of the sums, so they may depend on the shape but never on the threads.
constexpr int64_t kMinBlockRows = 16, kMaxBlocks = 128;
// Columns of d_gamma and d_beta that one task sums over the blocks.
constexpr int64_t kColumnsPerTask = 512;

// Of a row: the mean, and the sum of squared distances from it.
struct Moments {
  float mean, squares;
};

#if LK_AVX512_BF16
// In one pass, of pairs: the sum of squares less the mean's square.
Moments moments_of_pairs(const Bf16* x, int64_t k) {
  constexpr int64_t kNumbers = 2 * kLanes;
  const Vec ones = from_bits(0x3F803F80u - Uint{});
  Vec sums[4] = {}, squares[4] = {};
  const auto add = [&](int u, Vec pairs) {
    sums[u] = dot_pairs(sums[u], pairs, ones);
    squares[u] = dot_pairs(squares[u], pairs, pairs);
  };
  const auto pairs_at = [&](int64_t j) {
    Vec pairs;
    __builtin_memcpy(&pairs, x + j, sizeof(pairs));
    return pairs;
  };
  int64_t j = 0;
  for (; j + 4 * kNumbers <= k; j += 4 * kNumbers) {
#pragma GCC unroll 4
    for (int u = 0; u < 4; ++u) add(u, pairs_at(j + u * kNumbers));
  }
  for (; j + kNumbers <= k; j += kNumbers) add(0, pairs_at(j));
  if (j < k) {
    Vec pairs{};
    __builtin_memcpy(&pairs, x + j, static_cast<size_t>(k - j) * sizeof(Bf16));
    add(0, pairs);
  }
  const auto total = [](const Vec (&v)[4]) { return reduce_add((v[0] + v[1]) + (v[2] + v[3])); };
  const float mean = total(sums) / k;
  return {mean, total(squares) - k * mean * mean};
}
#endif

template <class T>
Moments moments(const T* x, int64_t k) {
#if LK_AVX512_BF16
  if constexpr (sizeof(T) == sizeof(Bf16)) {
    const Moments quick = moments_of_pairs(x, k);
    // Up to two standard deviations from 0 the difference is off by at most five roundings of the sum of
    // squares and eight of the sum.
    if (k * quick.mean * quick.mean <= 4 * quick.squares) return quick;
  }
#endif
  const float mean = sum_over<OrderFor<T>>(k, [&](int64_t j, auto part) { return part.load(x + j); }) / k;
  return {mean, sum_over<OrderFor<T>>(k, [&](int64_t j, auto part) {
            const Vec centred = part.keep(part.load(x + j) - mean);
            return centred * centred;
          })};
}

template <class T>
void forward_row(const Forward& call, int64_t i, bool past_caches) {
  const T* x = call.x.row_of<T>(i);
  const float *gamma = call.gamma.data, *beta = call.beta.data;
  T* y = call.y.row_of<T>(i);
  const int64_t k = call.x.columns;
  const auto [mean, squares] = moments(x, k);
  const float rstd = 1.0f / __builtin_sqrtf(squares / k + call.eps);
  over_output_groups<InOrder, 2>(y, k, past_caches, [&](int64_t j, auto group) {
    Vec v[group.kCount], scales[group.kCount], shifts[group.kCount];
    group.load(x + j, v);
    group.load(gamma + j, scales);
    group.load(beta + j, shifts);
    for (int i = 0; i < group.kCount; ++i) v[i] = (v[i] - mean) * rstd * scales[i] + shifts[i];
    group.store(y + j, v);
  });
  if (call.statistics) {
    call.statistics.row(i)[0] = mean;
    call.statistics.row(i)[1] = rstd;
  }
}

// d_x of row i, and with Parameters what it adds to a block's sums d_gamma and d_beta, while the row comes
// from memory. Those and gamma lie in OrderFor<T> and have room for whole vectors.
template <class T, bool Parameters>
void backward_row(const Backward& call, int64_t i, bool past_caches, const float* gamma, float* d_gamma,
                  float* d_beta) {
  const T* x = call.x.row_of<T>(i);
  const T* dy = call.dy.row_of<T>(i);
  const int64_t k = call.x.columns;
  const float mean = call.statistics.row(i)[0], rstd = call.statistics.row(i)[1];
  const auto add_to = [](float* sums, Vec terms) { store(sums, load(sums) + terms); };
  float sums[2];  // of g = dy gamma, and of g (x - mean)
  sums_over<OrderFor<T>>(k, sums, [&](int64_t j, auto part, Vec (&terms)[2]) {
    const Vec gradient = part.load(dy + j), centred = part.load(x + j) - mean;
    terms[0] = gradient * load(part.ordered(gamma + j));
    terms[1] = terms[0] * centred;
    if constexpr (Parameters) {
      add_to(part.ordered(d_gamma + j), gradient * rstd * centred);
      add_to(part.ordered(d_beta + j), gradient);
    }
  });
  if (!call.d_x) return;
  // d_x = g rstd - (x - mean) slope - offset
  const float slope = sums[1] / k * rstd * rstd * rstd, offset = sums[0] / k * rstd;
  T* d_x = call.d_x.row_of<T>(i);
  over_output_groups<OrderFor<T>, 2>(d_x, k, past_caches, [&](int64_t j, auto group) {
    constexpr int kCount = group.kCount;
    Vec result[kCount], centred[kCount];
    group.load(dy + j, result);
    group.load(x + j, centred);
    for (int u = 0; u < kCount; ++u) {
      result[u] = result[u] * rstd * load(gamma + j + u * kLanes) -
                  ((centred[u] - mean) * slope + offset);
    }
    if (call.add_to_d_x) add_loaded(group, d_x + j, result);
    group.store(d_x + j, result);
  });
}

// How the rows are cut for d_gamma and d_beta. In the workspace lie gamma and each block's two rows of sums,
// all in the order in which T is quickest taken apart.
struct Blocks {
  int64_t rows, count;
  int64_t sum_stride;  // elements: k in whole cache lines

  explicit Blocks(const Backward& call)
      : rows(divide_up(call.dy.rows, kMaxBlocks) > kMinBlockRows
                 ? divide_up(call.dy.rows, kMaxBlocks)
                 : kMinBlockRows),
        count(divide_up(call.dy.rows, rows)),
        sum_stride(divide_up(call.dy.columns, 16) * 16) {}

  int64_t floats() const { return (1 + 2 * count) * sum_stride; }
  float* gamma(void* workspace) const { return static_cast<float*>(workspace); }
  float* d_gamma(void* workspace, int64_t b) const { return gamma(workspace) + (1 + 2 * b) * sum_stride; }
  float* d_beta(void* workspace, int64_t b) const { return d_gamma(workspace, b) + sum_stride; }
};

template <class T>
void backward_block(const Backward& call, const Blocks& blocks, void* workspace, int64_t b,
                    bool past_caches) {
  float* d_gamma = blocks.d_gamma(workspace, b);
  float* d_beta = blocks.d_beta(workspace, b);
  const bool parameters = call.wants_parameters();
  if (parameters) __builtin_memset(d_gamma, 0, static_cast<size_t>(blocks.sum_stride) * 2 * 4);
  const auto row = parameters ? backward_row<T, true> : backward_row<T, false>;
  const int64_t first = b * blocks.rows;
  for (int64_t i = first; i < smaller(first + blocks.rows, call.x.rows); ++i) {
    row(call, i, past_caches, blocks.gamma(workspace), d_gamma, d_beta);
  }
  if (past_caches) stores_done();
}

// Sums columns [first, first + n) over the blocks, in the order of the blocks. `first` is a multiple of
// the vectors of a group.
template <class T>
void add_up_blocks(const Backward& call, const Blocks& blocks, void* workspace, int64_t first,
                   int64_t n) {
  const auto add_up = [&](const Vector& out, const auto& sums_of) {
    if (!out) return;
    float* to = out.data + first;
    over_output_groups<OrderFor<T>, 2>(to, n, false, [&](int64_t j, auto group) {
      Vec sums[group.kCount] = {};
      for (int64_t b = 0; b < blocks.count; ++b) {
        const float* of_block = sums_of(b) + first + j;
        for (int i = 0; i < group.kCount; ++i) sums[i] += load(of_block + i * kLanes);
      }
      if (call.add_to_parameters) add_loaded(group, to + j, sums);
      group.store(to + j, sums);
    });
  };
  add_up(call.d_gamma, [&](int64_t b) { return blocks.d_gamma(workspace, b); });
  add_up(call.d_beta, [&](int64_t b) { return blocks.d_beta(workspace, b); });
}

}  // namespace

lk_status layer_norm_forward(const Context& context, const Forward& call) {
  const int64_t rows = divide_up(task_elements(call.x.rows * call.x.columns), call.x.columns);
  const bool past_caches = passes_caches(call.y, call.x.data);
  with_elements(call.dtype(), [&](auto element) {
    context.pool->run(divide_up(call.x.rows, rows), [&](int64_t task, int) {
      for (int64_t i = task * rows; i < smaller((task + 1) * rows, call.x.rows); ++i) {
        forward_row<decltype(element)>(call, i, past_caches);
      }
      if (past_caches) stores_done();
    });
  });
  return LK_OK;
}

size_t layer_norm_backward_workspace(const Context&, const Backward& call) {
  return static_cast<size_t>(Blocks(call).floats()) * sizeof(float);
}

lk_status layer_norm_backward(const Context& context, const Backward& call) {
  const Blocks blocks(call);
  const int64_t k = call.x.columns;
  const bool past_caches =
      call.d_x && !call.add_to_d_x && passes_caches(call.d_x, call.x.data, call.dy.data);
  with_elements(call.dtype(), [&](auto element) {
    using T = decltype(element);
    put_in_order<OrderFor<T>>(call.gamma.data, k, blocks.gamma(context.workspace));
    context.pool->run(blocks.count, [&](int64_t b, int) {
      backward_block<T>(call, blocks, context.workspace, b, past_caches);
    });
    if (!call.wants_parameters()) return;
    context.pool->run(divide_up(k, kColumnsPerTask), [&](int64_t task, int) {
      const int64_t first = task * kColumnsPerTask;
      add_up_blocks<T>(call, blocks, context.workspace, first, smaller(kColumnsPerTask, k - first));
    });
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
