// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The CPU device's table for one instruction set; native/src/cpu_device.cpp chooses among them.
#include "cpu_operations.h"

#include "common/gemm.h"

#define LK_STRING_OF(x) #x
#define LK_STRING(x) LK_STRING_OF(x)

namespace lk::LK_ISA {

extern const Operations operations;
const Operations operations = {
    LK_STRING(LK_ISA),
    1 << LK_F32 | 1 << LK_BF16,
    false,
    kPanel * kDepth<Bf16>,  // panels' width, and how bf16 numbers lie in them
#define LK_FILL(name, description) name,
    LK_OPERATIONS(LK_FILL) LK_WORKSPACES(LK_FILL)
#undef LK_FILL
};

}  // namespace lk::LK_ISA
