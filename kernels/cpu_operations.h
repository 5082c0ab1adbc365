// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Declares every operation's CPU kernel in the namespace of the instruction set being compiled.
#pragma once

#include "common/simd.h"
#include "common/thread_pool.h"
#include "operations.h"

namespace lk::LK_ISA {

#define LK_DECLARE(name, description) lk_status name(const Context&, const description&);
LK_OPERATIONS(LK_DECLARE)
#undef LK_DECLARE
#define LK_DECLARE(name, description) size_t name(const Context&, const description&);
LK_WORKSPACES(LK_DECLARE)
#undef LK_DECLARE

}  // namespace lk::LK_ISA
