// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Picking tokens out and putting them back: what a kernel receives, and the checks that make it.
// The values of indices are the kernels' to check, before they write anything.
#pragma once

#include "common/indices.h"

namespace lk::tokens {

struct GatherForward {
  View x;           // [batch, tokens, k]
  Indices indices;  // [batch, s]
  View y;           // [batch, s, k]

  int32_t dtype() const { return x.dtype; }
};

struct GatherBackward {
  View dy;          // [batch, s, k]
  Indices indices;  // [batch, s], distinct
  View d_x;         // [batch, tokens, k]

  int32_t dtype() const { return d_x.dtype; }
};

struct ScatterForward {
  View x;           // [batch, s, k]
  Indices indices;  // [batch, s], distinct
  Vector fill;      // [k]
  Matrix position;  // [tokens, k], optional
  View y;           // [batch, tokens, k]

  int32_t dtype() const { return y.dtype; }
};

struct ScatterBackward {
  View dy;          // [batch, tokens, k]
  Indices indices;  // [batch, s], distinct
  View d_x;         // [batch, s, k], optional
  Vector d_fill;    // [k], optional
  bool add_to_d_fill;

  int32_t dtype() const { return dy.dtype; }
};

lk_status describe_gather_forward(const lk_tensor* x, const lk_tensor* indices, const lk_tensor* y,
                                  GatherForward& call);
lk_status describe_gather_backward(const lk_tensor* dy, const lk_tensor* indices,
                                   const lk_tensor* d_x, GatherBackward& call);
lk_status describe_scatter_forward(const lk_tensor* x, const lk_tensor* indices,
                                   const lk_tensor* fill, const lk_tensor* position,
                                   const lk_tensor* y, ScatterForward& call);
lk_status describe_scatter_backward(const lk_tensor* dy, const lk_tensor* indices, int32_t flags,
                                    const lk_tensor* d_x, const lk_tensor* d_fill,
                                    ScatterBackward& call);
// Descriptions that hold y's or dy's sizes alone, for the workspace.
lk_status describe_scatter_forward_sizes(int64_t batch, int64_t tokens, ScatterForward& call);
lk_status describe_scatter_backward_sizes(int64_t batch, int64_t tokens, int64_t k,
                                          ScatterBackward& call);

// Moving rows rounds nothing: these two are one in all precisions.
void reference_gather_forward(const GatherForward& call);
void reference_gather_backward(const GatherBackward& call);
template <class Real>
void reference_scatter_forward(const ScatterForward& call);
template <class Real>
void reference_scatter_backward(const ScatterBackward& call);

}  // namespace lk::tokens
