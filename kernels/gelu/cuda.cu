// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// One elementwise pass, bound by memory: every element is read and written once.
#include "common/cuda/map.cuh"
#include "cuda_operations.h"

namespace lk::cuda {
namespace {

struct Gelu {
  LK_DEVICE float operator()(float x) const { return gelu(x); }
};
struct GeluBackward {
  LK_DEVICE float operator()(float x, float dy) const { return dy * gelu_derivative(x); }
};

}  // namespace

lk_status gelu_forward(const Context& context, const gelu::Forward& call) {
  return with_type(call.dtype(), [&](auto type) {
    return map_rows<decltype(type)>("gelu_forward", context, call.y, Gelu{}, call.x);
  });
}

lk_status gelu_backward(const Context& context, const gelu::Backward& call) {
  return with_type(call.dtype(), [&](auto type) {
    return map_rows<decltype(type)>("gelu_backward", context, call.d_x, GeluBackward{}, call.x,
                                    call.dy);
  });
}

}  // namespace lk::cuda
