// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Fill, add, convert: what a kernel receives, and the checks that make it.
#pragma once

#include "common/tensor.h"

namespace lk::elementwise {

// A walk over the elements of one or two strided tensors of the same sizes, made as short as they
// allow: dimensions of one element are gone, those that continue each other in both tensors are
// one, and the innermost is the one the destination is densest in. rank is at least 1.
struct Walk {
  int rank;
  int64_t elements;  // may be 0
  int64_t sizes[LK_MAX_DIMS];
  int64_t source_strides[LK_MAX_DIMS];  // all 0 for a fill
  int64_t destination_strides[LK_MAX_DIMS];
};

struct Fill {
  Walk walk;
  void* data;
  int32_t data_dtype;
  float value;

  int32_t dtype() const { return data_dtype; }
};

struct Add {
  Matrix a, b, y;  // [m, k]; y may be a or b

  int32_t dtype() const { return a.dtype; }
};

struct Convert {
  Walk walk;
  const void* source;
  void* destination;
  int32_t source_dtype, destination_dtype;  // lk_dtype
};

lk_status describe_fill(const lk_tensor* tensor, float value, Fill& call);
lk_status describe_add(const lk_tensor* a, const lk_tensor* b, const lk_tensor* y, Add& call);
lk_status describe_convert(const lk_tensor* source, const lk_tensor* destination, Convert& call);

template <class Real>
void reference_add(const Add& call);
// One element, by arithmetic on its value. Every conversion has one right answer, so that there is
// no plainer precision to compare with.
void reference_convert(const void* source, int32_t source_dtype, void* destination,
                       int32_t destination_dtype);

}  // namespace lk::elementwise
