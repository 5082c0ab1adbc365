// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What attention's kernels receive: where each head's rows lie, in any strides. T is the type of
// their elements, or char for kernels that take any dtype: then strides count bytes.
#pragma once

#include "attention/attention.h"
#include "common/cuda/launch.cuh"
#include "common/cuda/number.cuh"
#include "common/cuda/warp.cuh"

namespace lk::cuda {

// The rows [tokens] of head_dim elements of one head; of one element for the log-sum-exp.
template <class T>
struct HeadRows {
  Global<T> data;
  int64_t stride;

  LK_DEVICE Global<T> row(int token) const { return data + token * stride; }
};

// The rows of every head.
template <class T>
struct Heads {
  Global<T> data;
  int64_t batch, token, head;

  LK_DEVICE HeadRows<T> of(int b, int h) const { return {data + (b * batch + h * head), token}; }
};

template <class T>
Heads<T> heads_of(const View& view, int64_t offset, int head_dimension) {
  const bool any = std::is_same_v<std::remove_const_t<T>, char>;
  const int64_t unit = !any ? 1 : view.dtype == LK_F32 ? 4 : 2;
  return {{static_cast<T*>(view.data) + unit * offset}, unit * view.strides[0],
          unit * view.strides[1], unit * view.strides[head_dimension]};
}
template <class T>
Heads<T> heads_of_qkv(const View& qkv, attention::Part part) {
  return heads_of<T>(qkv, part * qkv.strides[2], 3);
}
template <class T>
Heads<T> heads_of_out(const View& out) {
  return heads_of<T>(out, 0, 2);
}
inline Heads<float> heads_of_log_sum_exp(const View& view) {
  return {{static_cast<float*>(view.data)}, view.strides[0], view.strides[2], view.strides[1]};
}

template <class T>
struct ForwardHeads {
  int heads;  // of a batch entry
  int tokens, head_dim;
  int dtype;  // lk_dtype
  float scale;
  Heads<const T> q, k, v;
  Heads<T> out;
  Heads<float> log_sum_exp;  // data may be null

  explicit ForwardHeads(const attention::Forward& call)
      : heads(static_cast<int>(call.sizes.heads)),
        tokens(static_cast<int>(call.sizes.tokens)),
        head_dim(static_cast<int>(call.sizes.head_dim)),
        dtype(call.dtype()),
        scale(call.scale),
        q(heads_of_qkv<const T>(call.qkv, attention::kQuery)),
        k(heads_of_qkv<const T>(call.qkv, attention::kKey)),
        v(heads_of_qkv<const T>(call.qkv, attention::kValue)),
        out(heads_of_out<T>(call.out)),
        log_sum_exp(heads_of_log_sum_exp(call.log_sum_exp)) {}
};

template <class T>
struct BackwardHeads {
  int heads, tokens, head_dim;
  int dtype;  // lk_dtype
  float scale;
  Heads<const T> q, k, v, out, d_out;
  Heads<float> log_sum_exp;
  Heads<T> d_q, d_k, d_v;
  Heads<float> weighted;  // D = rowsum(d_out ∘ out), in the workspace

  BackwardHeads(const attention::Backward& call, void* workspace)
      : heads(static_cast<int>(call.sizes.heads)),
        tokens(static_cast<int>(call.sizes.tokens)),
        head_dim(static_cast<int>(call.sizes.head_dim)),
        dtype(call.dtype()),
        scale(call.scale),
        q(heads_of_qkv<const T>(call.qkv, attention::kQuery)),
        k(heads_of_qkv<const T>(call.qkv, attention::kKey)),
        v(heads_of_qkv<const T>(call.qkv, attention::kValue)),
        out(heads_of_out<const T>(call.out)),
        d_out(heads_of_out<const T>(call.d_out)),
        log_sum_exp(heads_of_log_sum_exp(call.log_sum_exp)),
        d_q(heads_of_qkv<T>(call.d_qkv, attention::kQuery)),
        d_k(heads_of_qkv<T>(call.d_qkv, attention::kKey)),
        d_v(heads_of_qkv<T>(call.d_qkv, attention::kValue)),
        weighted{{static_cast<float*>(workspace)},
                 call.sizes.heads * call.sizes.tokens, 1, call.sizes.tokens} {}
};

}  // namespace lk::cuda
