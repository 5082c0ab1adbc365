// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The linear layer with low-rank updates fused in (Hu et al., arXiv 2106.09685): what a kernel
// receives, and the checks that make it.
#pragma once

#include "linear/linear.h"

namespace lk::lora {

// A range of output columns with an update of its own.
struct Group {
  int64_t first = 0, columns = 0;
  int64_t b_row = 0;  // its first row in B

  int64_t last() const { return first + columns; }
};

struct Adapter {
  Matrix a;  // [groups * rank, k]
  Matrix b;  // [columns of all groups, rank]
  Group group[LK_MAX_LORA_GROUPS];
  int64_t groups = 0, rank = 0;
  float scaling = 0, dropout = 0;
  lk_random random{};

  int64_t rows() const { return groups * rank; }  // of A, and the width of h
  float factor() const { return scaling / (1.0f - dropout); }
};

struct Forward {
  linear::Forward linear;
  Adapter adapter;
  Matrix h;  // [m, groups * rank], optional

  int32_t dtype() const { return linear.dtype(); }
};

struct Backward {
  linear::Backward linear;  // its x is given always
  Adapter adapter;
  Matrix h;
  Matrix d_a, d_b;

  int32_t dtype() const { return linear.dtype(); }
};

lk_status describe_forward(const lk_tensor* x, const lk_weight* w, const linear::Packing& packing,
                           const lk_tensor* bias, const lk_lora* lora, const lk_epilogue* epilogue,
                           const lk_tensor* h, const lk_tensor* y, Forward& call);
lk_status describe_backward(const lk_tensor* dy, const lk_tensor* x, const lk_weight* w,
                            const linear::Packing& packing, const lk_lora* lora, const lk_tensor* h,
                            const lk_linear_backward_options* options, const lk_tensor* d_x,
                            const lk_tensor* d_a, const lk_tensor* d_b, const lk_tensor* d_weight,
                            const lk_tensor* d_bias, Backward& call);
// The sizes alone, for the workspace.
lk_status describe_forward_sizes(int64_t m, const lk_weight* w, const lk_lora* lora, Forward& call);
lk_status describe_backward_sizes(int64_t m, const lk_weight* w, const lk_lora* lora,
                                  Backward& call);

// Plain loops that read like the maths, computed in Real; weights must not be packed. rank_dtype:
// what A, B, h and dh are rounded to before they are multiplied, where 16-bit kernels are measured.
template <class Real>
void reference_forward(const Forward& call, int32_t rank_dtype = LK_F32);
template <class Real>
void reference_backward(const Backward& call, int32_t rank_dtype = LK_F32);

}  // namespace lk::lora
