// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "patch_embed/patch_embed.h"

namespace lk::patch_embed {
namespace {

float pixel(const Patches& patches, int64_t image, int64_t patch, int64_t k) {
  const int64_t square = patches.size * patches.size;
  return patches.row(image, patch, k / square, k % square / patches.size)[k % patches.size];
}

}  // namespace

template <class Real>
void reference_forward(const Forward& call) {
  const int64_t leading = call.class_token ? 1 : 0;
  for (int64_t b = 0; b < call.y.sizes[0]; ++b) {
    for (int64_t t = 0; t < call.y.sizes[1]; ++t) {
      for (int64_t n = 0; n < call.w.n; ++n) {
        Real sum = 0;
        if (t < leading) {
          sum = call.class_token.data[n];
        } else {
          for (int64_t k = 0; k < call.w.k; ++k) {
            sum += Real(pixel(call.patches, b, t - leading, k)) * call.w.row(n)[k];
          }
          if (call.bias) sum += call.bias.data[n];
        }
        if (call.position) sum += call.position.row(t)[n];
        call.y.row(b, t)[n] = static_cast<float>(sum);
      }
    }
  }
}

template <class Real>
void reference_backward(const Backward& call) {
  const int64_t batch = call.dy.sizes[0], tokens = call.dy.sizes[1], width = call.dy.sizes[2];
  const int64_t leading = call.leading_tokens();
  const auto write = [&](float& out, Real sum) {
    out = static_cast<float>(call.add_to_parameters ? out + sum : sum);
  };
  for (int64_t n = 0; n < width; ++n) {
    Real d_bias = 0, d_class_token = 0;
    for (int64_t t = 0; t < tokens; ++t) {
      Real d_position = 0;
      for (int64_t b = 0; b < batch; ++b) d_position += call.dy.row(b, t)[n];
      if (call.d_position) write(call.d_position.row(t)[n], d_position);
      (t < leading ? d_class_token : d_bias) += d_position;
    }
    if (call.d_bias) write(call.d_bias.data[n], d_bias);
    if (call.d_class_token) write(call.d_class_token.data[n], d_class_token);
    for (int64_t k = 0; call.d_weight && k < call.d_weight.columns; ++k) {
      Real sum = 0;
      for (int64_t b = 0; b < batch; ++b) {
        for (int64_t p = 0; p < call.patches.count; ++p) {
          sum += Real(call.dy.row(b, leading + p)[n]) * pixel(call.patches, b, p, k);
        }
      }
      write(call.d_weight.row(n)[k], sum);
    }
  }
}

template void reference_forward<double>(const Forward&);
template void reference_forward<float>(const Forward&);
template void reference_backward<double>(const Backward&);
template void reference_backward<float>(const Backward&);

}  // namespace lk::patch_embed
