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

// A task is a number of whole rows, at least this many elements of them.
constexpr int64_t kTaskElements = 8192;
// d_gamma and d_beta are summed over blocks of rows first, then over the blocks. Both numbers
// decide the order of the sums, so they may depend on the shape but never on the threads.
constexpr int64_t kMinBlockRows = 16, kMaxBlocks = 128;
// Columns of d_gamma and d_beta that one task sums over the blocks.
constexpr int64_t kColumnsPerTask = 512;

template <class T>
void forward_row(const Forward& call, int64_t i) {
  const T* x = call.x.row_of<T>(i);
  const float *gamma = call.gamma.data, *beta = call.beta.data;
  T* y = call.y.row_of<T>(i);
  const int64_t k = call.x.columns;
  const float mean = sum_over(k, [&](int64_t j, auto part) { return part.load(x + j); }) / k;
  const float squares = sum_over(k, [&](int64_t j, auto part) {
    const Vec centred = part.keep(part.load(x + j) - mean);
    return centred * centred;
  });
  const float rstd = 1.0f / __builtin_sqrtf(squares / k + call.eps);
  over_vectors(k, [&](int64_t j, auto part) {
    const Vec normalised = (part.load(x + j) - mean) * rstd;
    part.store(y + j, normalised * part.load(gamma + j) + part.load(beta + j));
  });
  if (call.statistics) {
    call.statistics.row(i)[0] = mean;
    call.statistics.row(i)[1] = rstd;
  }
}

template <class T>
void backward_row_d_x(const Backward& call, int64_t i) {
  const T* x = call.x.row_of<T>(i);
  const T* dy = call.dy.row_of<T>(i);
  const float* gamma = call.gamma.data;
  T* d_x = call.d_x.row_of<T>(i);
  const bool add = call.add_to_d_x;
  const int64_t k = call.x.columns;
  const float mean = call.statistics.row(i)[0], rstd = call.statistics.row(i)[1];
  const auto g = [&](int64_t j, auto part) { return part.load(dy + j) * part.load(gamma + j); };
  const auto normalised = [&](int64_t j, auto part) { return (part.load(x + j) - mean) * rstd; };
  const float mean_g = sum_over(k, g) / k;
  const float mean_gn =
      sum_over(k, [&](int64_t j, auto part) { return g(j, part) * normalised(j, part); }) / k;
  over_vectors(k, [&](int64_t j, auto part) {
    Vec gradient = rstd * (g(j, part) - mean_g - normalised(j, part) * mean_gn);
    if (add) gradient += part.load(d_x + j);
    part.store(d_x + j, gradient);
  });
}

// Adds row i to a block's sums.
template <class T>
void backward_row_parameters(const Backward& call, int64_t i, float* d_gamma, float* d_beta) {
  const T* x = call.x.row_of<T>(i);
  const T* dy = call.dy.row_of<T>(i);
  const float mean = call.statistics.row(i)[0], rstd = call.statistics.row(i)[1];
  over_vectors(call.x.columns, [&](int64_t j, auto part) {
    const Vec gradient = part.load(dy + j), normalised = (part.load(x + j) - mean) * rstd;
    part.store(d_gamma + j, part.load(d_gamma + j) + gradient * normalised);
    part.store(d_beta + j, part.load(d_beta + j) + gradient);
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
void backward_block(const Backward& call, const Blocks& blocks, void* workspace, int64_t b) {
  const bool parameters = call.d_gamma || call.d_beta;
  float* d_gamma = blocks.d_gamma(workspace, b);
  float* d_beta = blocks.d_beta(workspace, b);
  if (parameters) __builtin_memset(d_gamma, 0, static_cast<size_t>(blocks.sum_stride) * 2 * 4);
  const int64_t first = b * blocks.rows;
  const int64_t end = first + blocks.rows < call.x.rows ? first + blocks.rows : call.x.rows;
  for (int64_t i = first; i < end; ++i) {
    if (call.d_x) backward_row_d_x<T>(call, i);
    if (parameters) backward_row_parameters<T>(call, i, d_gamma, d_beta);
  }
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
  const int64_t rows = divide_up(kTaskElements, call.x.columns);
  with_elements(call.dtype(), [&](auto element) {
    context.pool->run(divide_up(call.x.rows, rows), [&](int64_t task, int) {
      for (int64_t i = task * rows; i < (task + 1) * rows && i < call.x.rows; ++i) {
        forward_row<decltype(element)>(call, i);
      }
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
  with_elements(call.dtype(), [&](auto element) {
    context.pool->run(blocks.count, [&](int64_t b, int) {
      backward_block<decltype(element)>(call, blocks, context.workspace, b);
    });
  });
  if (!call.d_gamma && !call.d_beta) return LK_OK;
  const int64_t k = call.x.columns;
  context.pool->run(divide_up(k, kColumnsPerTask), [&](int64_t task, int) {
    const int64_t first = task * kColumnsPerTask;
    const int64_t n = k - first < kColumnsPerTask ? k - first : kColumnsPerTask;
    add_up_blocks(call, blocks, context.workspace, first, n);
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
