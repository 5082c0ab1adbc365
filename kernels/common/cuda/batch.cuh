// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Tokens of the entries of a batch, [batch, tokens, width], read and written like rows.
#pragma once

#include "common/cuda/rows.cuh"

namespace lk::cuda {

// The last stride is 1.
template <class T>
struct BatchRows {
  Global<T> data;
  int64_t batch_stride, stride;

  LK_DEVICE Global<T> at(int64_t b, int64_t t, int64_t j) const {
    return data + (b * batch_stride + t * stride + j);
  }
};
template <class T>
BatchRows<T> batch_rows_of(const View& view) {
  return {{static_cast<T*>(view.data)}, view.strides[0], view.strides[1]};
}

template <class T>
bool has_chunks(const View& view) {
  constexpr int kElements = kChunkElements<T>;
  return is_chunk_aligned(view.data) && view.sizes[2] % kElements == 0 &&
         (view.sizes[0] == 1 || view.strides[0] % kElements == 0) &&
         (view.sizes[1] == 1 || view.strides[1] % kElements == 0);
}

}  // namespace lk::cuda
