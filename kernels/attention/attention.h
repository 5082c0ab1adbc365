// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Bidirectional softmax attention: what a kernel receives, and the checks that make it.
#pragma once

#include "common/tensor.h"

namespace lk::attention {

constexpr int64_t kMaxHeadDim = 256;
// Keeps every offset and workspace size far from overflow.
constexpr int64_t kMaxTokens = int64_t{1} << 24;

struct Sizes {
  int64_t batch, tokens, heads, head_dim;
};

struct Forward {
  Sizes sizes;
  View qkv;          // [batch, tokens, 3, heads, head_dim]
  float scale;
  View out;          // [batch, tokens, heads, head_dim]
  View log_sum_exp;  // optional [batch, heads, tokens], of the scaled scores in natural units

  int32_t dtype() const { return qkv.dtype; }
};

struct Backward {
  Sizes sizes;
  View qkv;          // [batch, tokens, 3, heads, head_dim]
  float scale;
  View out, d_out;   // [batch, tokens, heads, head_dim]
  View log_sum_exp;  // [batch, heads, tokens]
  View d_qkv;        // [batch, tokens, 3, heads, head_dim]

  int32_t dtype() const { return qkv.dtype; }
};

// The rows [tokens] of head_dim elements of one batch entry and head.
template <class T>
struct HeadRowsOf {
  T* data;
  int64_t stride;

  T* row(int64_t token) const { return data + token * stride; }
};
using HeadRows = HeadRowsOf<float>;
enum Part { kQuery = 0, kKey = 1, kValue = 2 };
template <class T = float>
HeadRowsOf<T> head_of_qkv(const View& qkv, Part part, int64_t batch, int64_t head) {
  return {static_cast<T*>(qkv.data) + batch * qkv.strides[0] + part * qkv.strides[2] +
              head * qkv.strides[3],
          qkv.strides[1]};
}
template <class T = float>
HeadRowsOf<T> head_of_out(const View& out, int64_t batch, int64_t head) {
  return {static_cast<T*>(out.data) + batch * out.strides[0] + head * out.strides[2],
          out.strides[1]};
}
inline float* head_of_log_sum_exp(const View& v, int64_t batch, int64_t head) {
  return v.row(batch, head);
}

lk_status describe_forward(const lk_tensor* qkv, float scale, const lk_tensor* out,
                           const lk_tensor* log_sum_exp, Forward& call);
lk_status describe_backward(const lk_tensor* qkv, float scale, const lk_tensor* out,
                            const lk_tensor* log_sum_exp, const lk_tensor* d_out,
                            const lk_tensor* d_qkv, Backward& call);
// What the workspaces follow from: qkv's sizes and dtype. Its data may be NULL.
lk_status describe_sizes(const lk_tensor* qkv, Sizes& sizes, View& view);

// Plain loops that read like the maths, computed in Real: double is the oracle, float is "the same
// maths done plainly" that a kernel's error is measured by.
template <class Real>
void reference_forward(const Forward& call);
// A weights_dtype of 16 bits: P and d_S are rounded to it before they multiply rows, as plain maths in
// that dtype has them.
template <class Real>
void reference_backward(const Backward& call, int32_t weights_dtype = LK_F32);

}  // namespace lk::attention
