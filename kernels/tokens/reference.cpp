// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "tokens/tokens.h"

namespace lk::tokens {
namespace {

// The place of token t among the indices of entry b, -1 when none names it.
int64_t find(const Indices& indices, int64_t b, int64_t t) {
  for (int64_t i = 0; i < indices.count; ++i) {
    if (indices.at(b, i) == t) return i;
  }
  return -1;
}

}  // namespace

void reference_gather_forward(const GatherForward& call) {
  for (int64_t b = 0; b < call.y.sizes[0]; ++b) {
    for (int64_t i = 0; i < call.y.sizes[1]; ++i) {
      for (int64_t j = 0; j < call.y.sizes[2]; ++j) {
        call.y.row(b, i)[j] = call.x.row(b, call.indices.at(b, i))[j];
      }
    }
  }
}

void reference_gather_backward(const GatherBackward& call) {
  for (int64_t b = 0; b < call.d_x.sizes[0]; ++b) {
    for (int64_t t = 0; t < call.d_x.sizes[1]; ++t) {
      const int64_t i = find(call.indices, b, t);
      for (int64_t j = 0; j < call.d_x.sizes[2]; ++j) {
        call.d_x.row(b, t)[j] = i < 0 ? 0.0f : call.dy.row(b, i)[j];
      }
    }
  }
}

template <class Real>
void reference_scatter_forward(const ScatterForward& call) {
  for (int64_t b = 0; b < call.y.sizes[0]; ++b) {
    for (int64_t t = 0; t < call.y.sizes[1]; ++t) {
      const int64_t i = find(call.indices, b, t);
      for (int64_t j = 0; j < call.y.sizes[2]; ++j) {
        Real value = i < 0 ? call.fill.data[j] : call.x.row(b, i)[j];
        if (call.position) value += call.position.row(t)[j];
        call.y.row(b, t)[j] = static_cast<float>(value);
      }
    }
  }
}

template <class Real>
void reference_scatter_backward(const ScatterBackward& call) {
  const int64_t batch = call.dy.sizes[0], tokens = call.dy.sizes[1], k = call.dy.sizes[2];
  for (int64_t j = 0; j < k; ++j) {
    Real sum = 0;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t t = 0; t < tokens; ++t) {
        const int64_t i = find(call.indices, b, t);
        if (i < 0) sum += call.dy.row(b, t)[j];
        if (i >= 0 && call.d_x) call.d_x.row(b, i)[j] = call.dy.row(b, t)[j];
      }
    }
    if (!call.d_fill) continue;
    if (call.add_to_d_fill) sum += call.d_fill.data[j];
    call.d_fill.data[j] = static_cast<float>(sum);
  }
}

template void reference_scatter_forward<double>(const ScatterForward&);
template void reference_scatter_forward<float>(const ScatterForward&);
template void reference_scatter_backward<double>(const ScatterBackward&);
template void reference_scatter_backward<float>(const ScatterBackward&);

}  // namespace lk::tokens
