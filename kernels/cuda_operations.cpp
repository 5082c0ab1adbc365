// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The table of CUDA devices and of the executor.
#include "cuda_operations.h"

namespace lk::cuda {

// Packed weights: rows padded to whole 16-byte chunks.
constexpr int64_t kPackedLayout = -16;

const Operations operations = {
    "cuda",
    1 << LK_F32 | 1 << LK_BF16 | 1 << LK_F16,
    true,
    kPackedLayout,
#define LK_FILL(name, description) name,
    LK_OPERATIONS(LK_FILL) LK_WORKSPACES(LK_FILL)
#undef LK_FILL
};

}  // namespace lk::cuda
