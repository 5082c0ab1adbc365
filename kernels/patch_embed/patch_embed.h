// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// A vision transformer's first layer: what a kernel receives, and the checks that make it.
#pragma once

#include "common/tensor.h"
#include "linear/linear.h"

namespace lk::patch_embed {

// Images cut into squares, row by row of squares. The pixels of one, in the order channel, row,
// column, are a row of the product with W.
struct Patches {
  View images;        // [batch, channels, height, width]
  int64_t size = 0;   // pixels a side of a patch
  int64_t across = 0; // patches in a row
  int64_t count = 0;  // patches of an image

  int64_t batch() const { return images.sizes[0]; }
  int64_t pixels() const { return images.sizes[1] * size * size; }
  // The first of a patch's row of pixels.
  const float* row(int64_t image, int64_t patch, int64_t channel, int64_t y) const {
    return images.row(image, channel) +
           (patch / across * size + y) * images.strides[2] + patch % across * size;
  }
};

struct Forward {
  Patches patches;
  linear::Weight w;    // [n, channels * patch * patch]
  Vector bias;         // [n], optional
  Matrix position;     // [tokens, n], optional
  Vector class_token;  // [n], optional
  View y;              // [batch, tokens, n]

  int32_t dtype() const { return w.dtype; }
};

struct Backward {
  Patches patches;
  View dy;  // [batch, tokens, n]
  bool add_to_parameters = false;
  Matrix d_weight;       // [n, channels * patch * patch], optional
  Vector d_bias;         // [n], optional
  Matrix d_position;     // [tokens, n], optional
  Vector d_class_token;  // [n], optional

  int32_t dtype() const { return dy.dtype; }
  int64_t leading_tokens() const { return dy.sizes[1] - patches.count; }
};

lk_status describe_forward(const lk_tensor* images, int64_t patch, const lk_weight* w,
                           const linear::Packing& packing, const lk_tensor* bias, const lk_tensor* position,
                           const lk_tensor* class_token, const lk_tensor* y, Forward& call);
lk_status describe_backward(const lk_tensor* dy, const lk_tensor* images, int64_t patch,
                            int32_t flags, const lk_tensor* d_weight, const lk_tensor* d_bias,
                            const lk_tensor* d_position, const lk_tensor* d_class_token,
                            Backward& call);
// The sizes alone, for the workspace.
lk_status describe_forward_sizes(const lk_tensor* images, int64_t patch, const lk_weight* w,
                                 Forward& call);
lk_status describe_backward_sizes(const lk_tensor* images, int64_t patch, int64_t n,
                                  Backward& call);

template <class Real>
void reference_forward(const Forward& call);
template <class Real>
void reference_backward(const Backward& call);

}  // namespace lk::patch_embed
