// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Losses of logits (f32) and of predicted patches (f32, bf16 or f16), on all architectures; checked
// against reference.cpp. Terms are f32, their sums over a block double.
#include "common/cuda/map.cuh"
#include "common/cuda/team.cuh"
#include "cuda_operations.h"

namespace lk::cuda {
namespace {

// ---- Sums of a whole tensor, by one block: 16 warps, 128 bytes of shared memory, the barriers of
// sum_of_block. There are few logits, and one number a patch.

constexpr int kSumWarps = 16, kSumThreads = kSumWarps * kWarp;
constexpr int kSumSharedBytes = kSumWarps * sizeof(double);

// loss = the sum of term(0) .. term(count - 1), divided by `elements`.
template <class Term>
__global__ void __launch_bounds__(kSumThreads)
    mean_kernel(int64_t count, Term term, double elements, Global<float> loss) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kSumThreads) sum += term(i);
  sum = sum_of_block<kSumWarps>(sum, shared_memory().as<double>());
  if (threadIdx.x == 0) store(loss, static_cast<float>(sum / elements));
}

template <class Term>
lk_status mean(const char* name, const Context& context, int64_t count, const Term& term,
               double elements, const Vector& loss) {
  return launch(name, mean_kernel<Term>, context, {1, kSumThreads, kSumSharedBytes}, count, term,
                elements, Global<float>{loss.data});
}

// ---- Binary cross-entropy

// -log sigmoid(x) t - log(1 - sigmoid(x)) (1 - t), without a number that could overflow.
struct CrossEntropy {
  Rows<const float> logits, targets;
  int64_t columns;

  LK_DEVICE float operator()(int64_t index) const {
    const int64_t i = index / columns, j = index - i * columns;
    const float x = load(logits.at(i, j)), t = load(targets.at(i, j));
    return (fmaxf(x, 0.0f) - x * t) + log1pf(expf(-fabsf(x)));
  }
};

// factor (sigmoid(x) - t), exact in the tails too: sigmoid(-|x|) is small, so that 1 - t, exact for
// t = 0 and t = 1, is subtracted from it and not it from 1 first.
struct CrossEntropyGradient {
  float factor;

  LK_DEVICE float operator()(float x, float t) const {
    const float e = expf(-fabsf(x)), small = e / (1.0f + e);
    return factor * (x < 0.0f ? small - t : (1.0f - t) - small);
  }
};

// ---- Patches

// The pixels of a patch in the order of the prediction. Neighbouring lanes take neighbouring
// elements: a warp reads a few rows of each channel whole.
struct Patches {
  Global<const float> images;
  int64_t batch_stride, channel_stride, row_stride;  // elements
  Global<const int32_t> indices;
  int64_t index_batch_stride, index_stride, index_count;
  int64_t across, count;  // patches in a row of the image, and in all of it
  uint32_t side, channels;
  float eps;

  uint32_t pixels() const { return side * side * channels; }
};

// What a patch is normalised by.
struct Statistics {
  float mean, rstd;
};

// Where the patch of row p of the prediction begins; NULL for an index out of range.
LK_DEVICE Global<const float> patch_of(const Patches& patches, int64_t p) {
  const int64_t b = p / patches.index_count, i = p - b * patches.index_count;
  const int32_t index = load(patches.indices + (b * patches.index_batch_stride + i * patches.index_stride));
  if (index < 0 || index >= patches.count) return {};
  const int64_t down = index / patches.across, right = index - down * patches.across;
  return patches.images + (b * patches.batch_stride + down * patches.side * patches.row_stride +
                           right * patches.side);
}

// Element e of the patch, in the order row, column, channel.
LK_DEVICE float pixel_of(const Patches& patches, Global<const float> patch, uint32_t e) {
  if (!patch) return NAN;
  const uint32_t place = e / patches.channels, channel = e - place * patches.channels;
  const uint32_t row = place / patches.side, column = place - row * patches.side;
  return load(patch + (channel * patches.channel_stride + row * patches.row_stride + column));
}

// A team (common/cuda/team.cuh) a patch of k pixels, which it goes over three times: the mean, the
// centred squares, then take(j, prediction - target). A warp has up to 1,024 pixels in registers, 4
// patches a block of 128 threads, no barrier; beyond that a block of 256 threads reads them again
// from cache.
template <class T, class Team, class Take>
LK_DEVICE void over_differences(const Team& team, const Patches& patches, int64_t k,
                                Rows<const T> prediction, int64_t p, const Take& take) {
  const Global<const float> patch = patch_of(patches, p);
  const TeamRow pixels(team, k, [&](int64_t j) {
    return Floats<1>{pixel_of(patches, patch, static_cast<uint32_t>(j))};
  });
  const float mean =
      sum_over_row(team, k, [&](int step, int64_t j) { return pixels.piece(step, j); }) /
      static_cast<float>(k);
  const float squares = sum_over_row(team, k, [&](int step, int64_t j) {
    const float centred = pixels.piece(step, j).v[0] - mean;
    return Floats<1>{centred * centred};
  });
  const float rstd = 1.0f / sqrtf(squares / static_cast<float>(k - 1) + patches.eps);
  team.over(k, [&](int step, int64_t j) {
    const float target = (pixels.piece(step, j).v[0] - mean) * rstd;
    take(j, load_float(prediction.at(p, j)) - target);
  });
}

// sums[p] = the sum of squared differences of patch p.
template <class T, class Team>
__global__ void __launch_bounds__(Team::kThreads, 4)
    patch_forward_kernel(Patches patches, int64_t m, int64_t k, Rows<const T> prediction,
                         Global<float> sums) {
  const Team team;
  const int64_t p = static_cast<int64_t>(blockIdx.x) * Team::kRows + team.row();
  if (p >= m) return;
  float sum = 0;
  over_differences(team, patches, k, prediction, p,
                   [&](int64_t, float difference) { sum += difference * difference; });
  sum = team.sum(sum);
  if (team.member() == 0) store(sums + p, sum);
}

template <class T, class Team>
__global__ void __launch_bounds__(Team::kThreads, 4)
    patch_backward_kernel(Patches patches, int64_t m, int64_t k, Rows<const T> prediction,
                          float factor, Rows<T> d_prediction) {
  const Team team;
  const int64_t p = static_cast<int64_t>(blockIdx.x) * Team::kRows + team.row();
  if (p >= m) return;
  over_differences(team, patches, k, prediction, p, [&](int64_t j, float difference) {
    store_float(d_prediction.at(p, j), factor * difference);
  });
}

struct PatchSum {
  Global<const float> sums;
  LK_DEVICE float operator()(int64_t p) const { return load(sums + p); }
};

lk_status check_pixels(const loss::Targets& targets) {
  constexpr int64_t kMostPixels = INT32_MAX;
  if (targets.pixels() <= kMostPixels) return LK_OK;
  return fail(LK_UNSUPPORTED, "patch: %lld pixels, this device takes up to %lld",
              static_cast<long long>(targets.pixels()), static_cast<long long>(kMostPixels));
}

Patches patches_of(const loss::Targets& targets) {
  const View& images = targets.images;
  const Indices& indices = targets.indices;
  return {{static_cast<const float*>(images.data)},
          images.strides[0],
          images.strides[1],
          images.strides[2],
          {indices.data},
          indices.batch_stride,
          indices.stride,
          indices.count,
          images.sizes[3] / targets.patch,
          targets.patches(),
          static_cast<uint32_t>(targets.patch),
          static_cast<uint32_t>(targets.channels()),
          targets.eps};
}

// Runs body(T{}, Team{}).
template <class Body>
lk_status with_team(int32_t dtype, const Patches& patches, const Body& body) {
  return with_type(dtype, [&](auto type) {
    if (patches.pixels() <= kMaxWarpRow) {
      describe_kernel("cuda a warp a patch");
      return body(type, WarpTeam<1>{});
    }
    describe_kernel("cuda a block a patch");
    return body(type, BlockTeam<1>{});
  });
}

}  // namespace

lk_status bce_with_logits_forward(const Context& context, const loss::BceForward& call) {
  const int64_t columns = call.logits.columns, elements = call.logits.rows * columns;
  const CrossEntropy term = {rows_of<const float>(call.logits), rows_of<const float>(call.targets),
                             columns};
  return mean("bce_with_logits_forward", context, elements, term, static_cast<double>(elements),
              call.loss);
}

lk_status bce_with_logits_backward(const Context& context, const loss::BceBackward& call) {
  const int64_t elements = call.logits.rows * call.logits.columns;
  const auto factor = static_cast<float>(call.d_loss / static_cast<double>(elements));
  return map_rows<float>("bce_with_logits_backward", context, call.d_logits,
                         CrossEntropyGradient{factor}, call.logits, call.targets);
}

size_t patch_mse_forward_workspace(const Context&, const loss::PatchMseForward& call) {
  // A sum a patch.
  const Indices& indices = call.targets.indices;
  return static_cast<size_t>(indices.batch * indices.count) * sizeof(float);
}

lk_status patch_mse_forward(const Context& context, const loss::PatchMseForward& call) {
  LK_TRY(check_pixels(call.targets));
  const Patches patches = patches_of(call.targets);
  const int64_t m = call.prediction.rows, k = call.prediction.columns;
  auto* sums = static_cast<float*>(context.workspace);
  LK_TRY(with_team(call.dtype(), patches, [&](auto type, auto team) {
    using T = decltype(type);
    using Team = decltype(team);
    const LaunchShape shape = {ceil_divide(m, Team::kRows), Team::kThreads, Team::kSharedBytes};
    return launch("patch_mse_forward", patch_forward_kernel<T, Team>, context, shape, patches, m, k,
                  rows_of<const T>(call.prediction), Global<float>{sums});
  }));
  return mean("patch_mse_forward_mean", context, m, PatchSum{{sums}}, static_cast<double>(m * k),
              call.loss);
}

lk_status patch_mse_backward(const Context& context, const loss::PatchMseBackward& call) {
  LK_TRY(check_pixels(call.targets));
  const Patches patches = patches_of(call.targets);
  const int64_t m = call.prediction.rows, k = call.prediction.columns;
  const auto factor = static_cast<float>(call.d_loss * 2.0 / static_cast<double>(m * k));
  return with_team(call.dtype(), patches, [&](auto type, auto team) {
    using T = decltype(type);
    using Team = decltype(team);
    const LaunchShape shape = {ceil_divide(m, Team::kRows), Team::kThreads, Team::kSharedBytes};
    return launch("patch_mse_backward", patch_backward_kernel<T, Team>, context, shape, patches, m,
                  k, rows_of<const T>(call.prediction), factor, rows_of<T>(call.d_prediction));
  });
}

}  // namespace lk::cuda
