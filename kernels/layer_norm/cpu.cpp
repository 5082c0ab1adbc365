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

template <class T>
void forward_row(const Forward& call, int64_t i, bool past_caches) {
  const T* x = call.x.row_of<T>(i);
  const float *gamma = call.gamma.data, *beta = call.beta.data;
  T* y = call.y.row_of<T>(i);
  const int64_t k = call.x.columns;
  const float mean = sum_over<OrderFor<T>>(k, [&](int64_t j, auto part) { return part.load(x + j); }) / k;
  const float squares = sum_over<OrderFor<T>>(k, [&](int64_t j, auto part) {
    const Vec centred = part.keep(part.load(x + j) - mean);
    return centred * centred;
  });
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

// d_x of row i, and what it adds to a block's sums d_gamma and d_beta, which have room for whole vectors.
template <class T>
void backward_row(const Backward& call, int64_t i, bool past_caches, float* d_gamma, float* d_beta) {
  const T* x = call.x.row_of<T>(i);
  const T* dy = call.dy.row_of<T>(i);
  T* d_x = call.d_x ? call.d_x.row_of<T>(i) : nullptr;
  const float* gamma = call.gamma.data;
  const int64_t k = call.x.columns;
  const float mean = call.statistics.row(i)[0], rstd = call.statistics.row(i)[1];
  float means[2] = {};  // of g, and of g n
  if (d_x != nullptr) {
    sums_over<OrderFor<T>>(k, means, [&](int64_t j, auto part, Vec (&terms)[2]) {
      terms[0] = part.load(dy + j) * part.load(gamma + j);
      terms[1] = terms[0] * (part.load(x + j) - mean);
    });
    means[0] /= k;
    means[1] *= rstd / k;
  }
  const bool parameters = call.wants_parameters();
  over_output_groups<InOrder, 2>(d_x, k, past_caches, [&](int64_t j, auto group) {
    constexpr int kCount = group.kCount;
    Vec gradient[kCount], n[kCount];
    group.load(dy + j, gradient);
    group.load(x + j, n);
    for (Vec& each : n) each = (each - mean) * rstd;
    if (parameters) {
      for (int i = 0; i < kCount; ++i) {
        const int64_t at = j + i * kLanes;
        store(d_gamma + at, load(d_gamma + at) + gradient[i] * n[i]);
        store(d_beta + at, load(d_beta + at) + gradient[i]);
      }
    }
    if (d_x == nullptr) return;
    Vec scales[kCount], result[kCount];
    group.load(gamma + j, scales);
    for (int i = 0; i < kCount; ++i) {
      result[i] = rstd * (gradient[i] * scales[i] - means[0] - n[i] * means[1]);
    }
    if (call.add_to_d_x) add_loaded(group, d_x + j, result);
    group.store(d_x + j, result);
  });
}

// How the rows are cut for d_gamma and d_beta. Block b's two rows of sums lie side by side in the
// workspace.
struct Blocks {
  int64_t rows, count;
  int64_t sum_stride;  // elements: k in whole cache lines

  explicit Blocks(const Backward& call)
      : rows(divide_up(call.dy.rows, kMaxBlocks) > kMinBlockRows
                 ? divide_up(call.dy.rows, kMaxBlocks)
                 : kMinBlockRows),
        count(divide_up(call.dy.rows, rows)),
        sum_stride(divide_up(call.dy.columns, 16) * 16) {}

  float* d_gamma(void* workspace, int64_t b) const {
    return static_cast<float*>(workspace) + 2 * b * sum_stride;
  }
  float* d_beta(void* workspace, int64_t b) const { return d_gamma(workspace, b) + sum_stride; }
};

template <class T>
void backward_block(const Backward& call, const Blocks& blocks, void* workspace, int64_t b,
                    bool past_caches) {
  float* d_gamma = blocks.d_gamma(workspace, b);
  float* d_beta = blocks.d_beta(workspace, b);
  if (call.wants_parameters()) {
    __builtin_memset(d_gamma, 0, static_cast<size_t>(blocks.sum_stride) * 2 * 4);
  }
  const int64_t first = b * blocks.rows;
  for (int64_t i = first; i < smaller(first + blocks.rows, call.x.rows); ++i) {
    backward_row<T>(call, i, past_caches, d_gamma, d_beta);
  }
  if (past_caches) stores_done();
}

// Sums columns [first, first + n) over the blocks, in the order of the blocks.
void add_up_blocks(const Backward& call, const Blocks& blocks, void* workspace, int64_t first,
                   int64_t n) {
  over_vectors(n, [&](int64_t offset, auto part) {
    const int64_t j = first + offset;
    Vec d_gamma{}, d_beta{};
    for (int64_t b = 0; b < blocks.count; ++b) {
      d_gamma += part.load(blocks.d_gamma(workspace, b) + j);
      d_beta += part.load(blocks.d_beta(workspace, b) + j);
    }
    const auto finish = [&](const Vector& out, Vec sum) {
      if (!out) return;
      if (call.add_to_parameters) sum += part.load(out.data + j);
      part.store(out.data + j, sum);
    };
    finish(call.d_gamma, d_gamma);
    finish(call.d_beta, d_beta);
  });
}

}  // namespace

lk_status layer_norm_forward(const Context& context, const Forward& call) {
  const int64_t rows = divide_up(task_elements(call.x.rows * call.x.columns), call.x.columns);
  const bool past_caches = passes_caches(call.y, {call.x.data});
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
  const Blocks blocks(call);
  return static_cast<size_t>(blocks.count) * blocks.sum_stride * 2 * sizeof(float);
}

lk_status layer_norm_backward(const Context& context, const Backward& call) {
  const Blocks blocks(call);
  const bool past_caches =
      call.d_x && !call.add_to_d_x && passes_caches(call.d_x, {call.x.data, call.dy.data});
  with_elements(call.dtype(), [&](auto element) {
    context.pool->run(blocks.count, [&](int64_t b, int) {
      backward_block<decltype(element)>(call, blocks, context.workspace, b, past_caches);
    });
  });
  if (!call.wants_parameters()) return LK_OK;
  const int64_t k = call.x.columns;
  context.pool->run(divide_up(k, kColumnsPerTask), [&](int64_t task, int) {
    const int64_t first = task * kColumnsPerTask;
    const int64_t n = k - first < kColumnsPerTask ? k - first : kColumnsPerTask;
    add_up_blocks(call, blocks, context.workspace, first, n);
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
