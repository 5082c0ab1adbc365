// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Every loss is a sum of sums: f32 vectors within a row, double over rows and tasks, always in the
// same order.
#include "common/loops.h"
#include "cpu_operations.h"

namespace lk::LK_ISA {
namespace {

// ---- Binary cross-entropy

// Sums of this many slices are kept on the stack; a slice is a chunk of elements, or more.
constexpr int64_t kMaxSlices = 64;

Vec absolute(Vec x) { return max(x, -x); }

// log(1 + u) for 0 <= u <= 1, as 2 artanh(s) with s = u / (2 + u) <= 1/3: all terms of the series
// have one sign, and the first left out is 1.4e-9 of the sum.
Vec log1p_of_unit(Vec u) {
  const Vec s = u / (2.0f + u), z = s * s;
  Vec series = splat(1.0f / 15);
  series = series * z + 1.0f / 13;
  series = series * z + 1.0f / 11;
  series = series * z + 1.0f / 9;
  series = series * z + 1.0f / 7;
  series = series * z + 1.0f / 5;
  series = series * z + 1.0f / 3;
  return 2.0f * s + 2.0f * s * (z * series);
}

// -log sigmoid(x) t - log(1 - sigmoid(x)) (1 - t), without a number that could overflow.
Vec cross_entropy(Vec x, Vec t) {
  return (max(x, splat(0)) - x * t) + log1p_of_unit(exp(-absolute(x)));
}

// sigmoid(x) - t, exact in the tails too: sigmoid(-|x|) is small, so that 1 - t, exact for t = 0
// and t = 1, is subtracted from it and not it from 1 first.
Vec sigmoid_less_target(Vec x, Vec t) {
  const Vec e = exp(-absolute(x));
  const Vec small = e / (1.0f + e);
  return select(x < 0.0f, small - t, (1.0f - t) - small);
}

// ---- Patches

constexpr int64_t kPatchesPerTask = 16;
// Pixels put into the prediction's order at once.
constexpr int64_t kStage = 512;

struct Statistics {
  float mean, rstd;
};

// One of a patch's sums: term(pixels, part) over all its rows.
template <class Term>
float sum_over_patch(const loss::Targets& targets, int64_t b, int64_t i, const Term& term) {
  Vec sum{};
  for (int64_t c = 0; c < targets.channels(); ++c) {
    for (int64_t row = 0; row < targets.patch; ++row) {
      const float* pixels = targets.pixel_row(b, i, c, row);
      over_vectors(targets.patch,
                   [&](int64_t j, auto part) { sum += term(part.load(pixels + j), part); });
    }
  }
  return reduce_add(sum);
}

Statistics patch_statistics(const loss::Targets& targets, int64_t b, int64_t i) {
  const float mean = sum_over_patch(targets, b, i, [](Vec pixels, auto) { return pixels; }) /
                     static_cast<float>(targets.pixels());
  const float squares = sum_over_patch(targets, b, i, [&](Vec pixels, auto part) {
    const Vec centred = part.keep(pixels - mean);
    return centred * centred;
  });
  const float variance = squares / static_cast<float>(targets.pixels() - 1);
  return {mean, 1.0f / __builtin_sqrtf(variance + targets.eps)};
}

// Pixels first .. first + n - 1 of a patch's row, in the order column, channel.
void stage_pixels(const loss::Targets& targets, int64_t b, int64_t i, int64_t row, int64_t first,
                  int64_t n, float* stage) {
  const int64_t channels = targets.channels();
  for (int64_t c = 0; c < channels; ++c) {
    int64_t at = (c - first % channels + channels) % channels;
    const float* pixel = targets.pixel_row(b, i, c, row) + (first + at) / channels;
    for (; at < n; at += channels) stage[at] = *pixel++;
  }
}

// run(e, n, stage, statistics) for pieces of the patch: stage holds pixels e .. e + n - 1 in the
// prediction's order.
template <class Run>
void over_patch(const loss::Targets& targets, int64_t b, int64_t i, const Run& run) {
  const Statistics statistics = patch_statistics(targets, b, i);
  const int64_t row_pixels = targets.patch * targets.channels();
  float stage[kStage];
  for (int64_t row = 0; row < targets.patch; ++row) {
    for (int64_t first = 0; first < row_pixels; first += kStage) {
      const int64_t n = smaller(row_pixels - first, kStage);
      stage_pixels(targets, b, i, row, first, n, stage);
      run(row * row_pixels + first, n, stage, statistics);
    }
  }
}

template <class T, class Part>
Vec difference(const T* prediction, const float* stage, const Statistics& statistics,
               Part part) {
  return part.load(prediction) - (part.load(stage) - statistics.mean) * statistics.rstd;
}

// The sum of squared differences of one patch.
template <class T>
double patch_loss(const loss::PatchMseForward& call, int64_t p) {
  const int64_t s = call.targets.indices.count;
  const T* prediction = call.prediction.row_of<T>(p);
  double sum = 0;
  over_patch(call.targets, p / s, p % s,
             [&](int64_t e, int64_t n, const float* stage, const Statistics& statistics) {
    sum += sum_over<InOrder>(n, [&](int64_t j, auto part) {
      const Vec d = part.keep(difference(prediction + e + j, stage + j, statistics, part));
      return d * d;
    });
  });
  return sum;
}

template <class T>
void patch_gradient(const loss::PatchMseBackward& call, int64_t p, float factor) {
  const int64_t s = call.targets.indices.count;
  const T* prediction = call.prediction.row_of<T>(p);
  T* d_prediction = call.d_prediction.row_of<T>(p);
  over_patch(call.targets, p / s, p % s,
             [&](int64_t e, int64_t n, const float* stage, const Statistics& statistics) {
    over_vectors(n, [&](int64_t j, auto part) {
      const Vec d = difference(prediction + e + j, stage + j, statistics, part);
      part.store(d_prediction + e + j, factor * d);
    });
  });
}

// function(patch) for every patch, over the threads.
template <class Function>
void over_patches(ThreadPool& pool, int64_t patches, const Function& function) {
  pool.run(divide_up(patches, kPatchesPerTask), [&](int64_t task, int) {
    const int64_t end = smaller(patches, (task + 1) * kPatchesPerTask);
    for (int64_t p = task * kPatchesPerTask; p < end; ++p) function(p);
  });
}

}  // namespace

lk_status bce_with_logits_forward(const Context& context, const loss::BceForward& call) {
  const int64_t columns = call.logits.columns, elements = call.logits.rows * columns;
  const int64_t fewest = divide_up(elements, kMaxSlices);
  const int64_t length = fewest > kChunk ? fewest : kChunk, slices = divide_up(elements, length);
  double sums[kMaxSlices] = {};
  context.pool->run(slices, [&](int64_t slice, int) {
    const int64_t first = slice * length;
    double sum = 0;
    over_pieces(first, smaller(elements - first, length), columns,
                [&](int64_t i, int64_t column, int64_t n) {
      const float* x = call.logits.row(i) + column;
      const float* t = call.targets.row(i) + column;
      sum += sum_over<InOrder>(n, [&](int64_t j, auto part) {
        return part.keep(cross_entropy(part.load(x + j), part.load(t + j)));
      });
    });
    sums[slice] = sum;
  });
  double total = 0;
  for (int64_t slice = 0; slice < slices; ++slice) total += sums[slice];
  call.loss.data[0] = static_cast<float>(total / static_cast<double>(elements));
  return LK_OK;
}

lk_status bce_with_logits_backward(const Context& context, const loss::BceBackward& call) {
  const int64_t rows = call.logits.rows, columns = call.logits.columns;
  const float factor = static_cast<float>(call.d_loss / static_cast<double>(rows * columns));
  over_rows(*context.pool, rows, columns, [&](int64_t i, int64_t first, int64_t n) {
    const float* x = call.logits.row(i) + first;
    const float* t = call.targets.row(i) + first;
    float* d_x = call.d_logits.row(i) + first;
    over_vectors(n, [&](int64_t j, auto part) {
      part.store(d_x + j, factor * sigmoid_less_target(part.load(x + j), part.load(t + j)));
    });
  });
  return LK_OK;
}

size_t patch_mse_forward_workspace(const Context&, const loss::PatchMseForward& call) {
  // A sum a patch.
  const Indices& indices = call.targets.indices;
  return static_cast<size_t>(indices.batch * indices.count) * sizeof(double);
}

lk_status patch_mse_forward(const Context& context, const loss::PatchMseForward& call) {
  LK_TRY(check_range("indices", call.targets.indices, call.targets.patches(), "patches"));
  const int64_t patches = call.prediction.rows;
  auto* sums = static_cast<double*>(context.workspace);
  with_elements(call.dtype(), [&](auto element) {
    over_patches(*context.pool, patches,
                 [&](int64_t p) { sums[p] = patch_loss<decltype(element)>(call, p); });
  });
  double total = 0;
  for (int64_t p = 0; p < patches; ++p) total += sums[p];
  const double elements = static_cast<double>(patches * call.prediction.columns);
  call.loss.data[0] = static_cast<float>(total / elements);
  return LK_OK;
}

lk_status patch_mse_backward(const Context& context, const loss::PatchMseBackward& call) {
  LK_TRY(check_range("indices", call.targets.indices, call.targets.patches(), "patches"));
  const double elements = static_cast<double>(call.prediction.rows * call.prediction.columns);
  const float factor = static_cast<float>(call.d_loss * 2.0 / elements);
  with_elements(call.dtype(), [&](auto element) {
    over_patches(*context.pool, call.prediction.rows,
                 [&](int64_t p) { patch_gradient<decltype(element)>(call, p, factor); });
  });
  return LK_OK;
}

}  // namespace lk::LK_ISA
