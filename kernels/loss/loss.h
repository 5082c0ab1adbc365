// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Losses: what a kernel receives, and the checks that make it.
#pragma once

#include "common/indices.h"

namespace lk::loss {

struct BceForward {
  Matrix logits, targets;  // [batch, labels]
  Vector loss;             // [1]
};

struct BceBackward {
  Matrix logits, targets;  // [batch, labels]
  float d_loss;
  Matrix d_logits;  // [batch, labels]
};

// The patches that a masked autoencoder has to predict, normalised each by its own statistics.
struct Targets {
  View images;      // [batch, channels, height, width]
  int64_t patch;    // the side of a patch
  Indices indices;  // [batch, s], counted over the patches row by row
  float eps;        // added to a patch's variance

  int64_t channels() const { return images.sizes[1]; }
  int64_t pixels() const { return patch * patch * channels(); }  // 2 or more
  int64_t patches() const { return images.sizes[2] / patch * (images.sizes[3] / patch); }
  // Row `row` of channel `channel` of the patch that indices [b, i] names.
  const float* pixel_row(int64_t b, int64_t i, int64_t channel, int64_t row) const {
    const int64_t across = images.sizes[3] / patch, index = indices.at(b, i);
    return images.row(b, channel) +
           (index / across * patch + row) * images.strides[2] + index % across * patch;
  }
};

struct PatchMseForward {
  Matrix prediction;  // [batch * s, pixels], in the order row, column, channel
  Targets targets;
  Vector loss;  // [1]

  int32_t dtype() const { return prediction.dtype; }
};

struct PatchMseBackward {
  Matrix prediction;  // [batch * s, pixels]
  Targets targets;
  float d_loss;
  Matrix d_prediction;  // [batch * s, pixels]

  int32_t dtype() const { return prediction.dtype; }
};

lk_status describe_bce_forward(const lk_tensor* logits, const lk_tensor* targets,
                               const lk_tensor* loss, BceForward& call);
lk_status describe_bce_backward(const lk_tensor* logits, const lk_tensor* targets, float d_loss,
                                const lk_tensor* d_logits, BceBackward& call);
lk_status describe_patch_mse_forward(const lk_tensor* prediction, const lk_tensor* images,
                                     int64_t patch, const lk_tensor* indices, float eps,
                                     const lk_tensor* loss, PatchMseForward& call);
lk_status describe_patch_mse_backward(const lk_tensor* prediction, const lk_tensor* images,
                                      int64_t patch, const lk_tensor* indices, float eps,
                                      float d_loss, const lk_tensor* d_prediction,
                                      PatchMseBackward& call);
// A description that holds the indices' sizes alone, for the workspace.
lk_status describe_patch_mse_forward_sizes(int64_t batch, int64_t s, PatchMseForward& call);

template <class Real>
void reference_bce_forward(const BceForward& call);
template <class Real>
void reference_bce_backward(const BceBackward& call);
template <class Real>
void reference_patch_mse_forward(const PatchMseForward& call);
template <class Real>
void reference_patch_mse_backward(const PatchMseBackward& call);

}  // namespace lk::loss
