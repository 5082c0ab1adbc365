// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What each CUDA source of this room offers to the launch lists of cuda.cu.
#pragma once

#include "operations.h"

namespace lk::cuda {

// The most shared memory of a block on the parts that have the least: sm_86, 89 and 120.
constexpr int kSmallestShared = 99 * 1024;

// 16-bit rows that begin at multiples of 16 bytes are the caller's to check; the sizes and the
// device's shared memory decide here.
bool fits_short_forward(const Context& context, const attention::Sizes& sizes);
bool fits_short_backward(const Context& context, const attention::Sizes& sizes);
lk_status attention_short_forward(const Context& context, const attention::Forward& call);
lk_status attention_short_backward(const Context& context, const attention::Backward& call);

// 16-bit rows that begin at multiples of 16 bytes, as above.
inline bool fits_stream(const Context&, const attention::Sizes& sizes) { return sizes.head_dim <= 128; }
lk_status attention_stream_forward(const Context& context, const attention::Forward& call);
lk_status attention_stream_backward(const Context& context, const attention::Backward& call);

lk_status attention_general_forward(const Context& context, const attention::Forward& call);
lk_status attention_general_backward(const Context& context, const attention::Backward& call);

}  // namespace lk::cuda
