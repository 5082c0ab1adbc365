// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "loss/loss.h"

namespace lk::loss {
namespace {

template <class Real>
struct Statistics {
  Real mean, rstd;
};

template <class Real>
Statistics<Real> patch_statistics(const Targets& targets, int64_t b, int64_t i) {
  const auto sum_over_pixels = [&](auto term) {
    Real sum = 0;
    for (int64_t c = 0; c < targets.channels(); ++c) {
      for (int64_t row = 0; row < targets.patch; ++row) {
        for (int64_t column = 0; column < targets.patch; ++column) {
          sum += term(Real(targets.pixel_row(b, i, c, row)[column]));
        }
      }
    }
    return sum;
  };
  const Real mean = sum_over_pixels([](Real pixel) { return pixel; }) / targets.pixels();
  const Real squares =
      sum_over_pixels([&](Real pixel) { return (pixel - mean) * (pixel - mean); });
  return {mean, 1 / std::sqrt(squares / (targets.pixels() - 1) + Real(targets.eps))};
}

// function(row of the prediction, column of it, prediction - target) for every pixel.
template <class Real, class Function>
void over_differences(const Matrix& prediction, const Targets& targets, const Function& function) {
  const int64_t channels = targets.channels(), side = targets.patch;
  for (int64_t b = 0; b < targets.indices.batch; ++b) {
    for (int64_t i = 0; i < targets.indices.count; ++i) {
      const Statistics<Real> statistics = patch_statistics<Real>(targets, b, i);
      const int64_t row = b * targets.indices.count + i;
      for (int64_t e = 0; e < targets.pixels(); ++e) {
        const Real pixel =
            targets.pixel_row(b, i, e % channels, e / channels / side)[e / channels % side];
        function(row, e,
                 prediction.row(row)[e] - (pixel - statistics.mean) * statistics.rstd);
      }
    }
  }
}

}  // namespace

template <class Real>
void reference_bce_forward(const BceForward& call) {
  Real sum = 0;
  for (int64_t i = 0; i < call.logits.rows; ++i) {
    for (int64_t j = 0; j < call.logits.columns; ++j) {
      const Real x = call.logits.row(i)[j], t = call.targets.row(i)[j];
      sum += std::fmax(x, Real(0)) - x * t + std::log1p(std::exp(-std::fabs(x)));
    }
  }
  call.loss.data[0] = static_cast<float>(sum / (call.logits.rows * call.logits.columns));
}

template <class Real>
void reference_bce_backward(const BceBackward& call) {
  const Real count = call.logits.rows * call.logits.columns;
  for (int64_t i = 0; i < call.logits.rows; ++i) {
    for (int64_t j = 0; j < call.logits.columns; ++j) {
      const Real x = call.logits.row(i)[j], t = call.targets.row(i)[j];
      const Real sigmoid = 1 / (1 + std::exp(-x));
      call.d_logits.row(i)[j] = static_cast<float>(call.d_loss * (sigmoid - t) / count);
    }
  }
}

template <class Real>
void reference_patch_mse_forward(const PatchMseForward& call) {
  Real sum = 0;
  over_differences<Real>(call.prediction, call.targets, [&](int64_t, int64_t, Real difference) {
    sum += difference * difference;
  });
  call.loss.data[0] = static_cast<float>(sum / (call.prediction.rows * call.prediction.columns));
}

template <class Real>
void reference_patch_mse_backward(const PatchMseBackward& call) {
  const Real count = call.prediction.rows * call.prediction.columns;
  over_differences<Real>(
      call.prediction, call.targets, [&](int64_t row, int64_t e, Real difference) {
        call.d_prediction.row(row)[e] = static_cast<float>(call.d_loss * 2 * difference / count);
      });
}

template void reference_bce_forward<double>(const BceForward&);
template void reference_bce_forward<float>(const BceForward&);
template void reference_bce_backward<double>(const BceBackward&);
template void reference_bce_backward<float>(const BceBackward&);
template void reference_patch_mse_forward<double>(const PatchMseForward&);
template void reference_patch_mse_forward<float>(const PatchMseForward&);
template void reference_patch_mse_backward<double>(const PatchMseBackward&);
template void reference_patch_mse_backward<float>(const PatchMseBackward&);

}  // namespace lk::loss
