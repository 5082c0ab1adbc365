// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Indices that operations take as tensors. Their form is checked like any tensor's; their values
// lie in device memory, so that only a device whose memory the processor reads can check those.
#pragma once

#include "common/tensor.h"

namespace lk {

// count indices for each entry of a batch.
struct Indices {
  const int32_t* data = nullptr;
  int64_t batch = 0, count = 0;
  int64_t batch_stride = 0, stride = 0;  // elements; may be 0

  int32_t at(int64_t b, int64_t i) const { return data[b * batch_stride + i * stride]; }
};

// [batch, any], i32, not empty, any strides.
lk_status as_indices(const char* name, const lk_tensor* tensor, int64_t batch, Indices& indices);

// Every index is in [0, limit). things: what is counted, for the message.
lk_status check_range(const char* name, const Indices& indices, int64_t limit, const char* things);

// The same, and no index comes twice in one entry of the batch.
lk_status check_distinct(const char* name, const Indices& indices, int64_t limit,
                         const char* things);

}  // namespace lk
