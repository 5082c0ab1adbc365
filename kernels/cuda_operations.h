// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Declares every operation's CUDA kernel.
#pragma once

#include "operations.h"

namespace lk::cuda {

#define LK_DECLARE(name, description) lk_status name(const Context&, const description&);
LK_OPERATIONS(LK_DECLARE)
#undef LK_DECLARE
#define LK_DECLARE(name, description) size_t name(const Context&, const description&);
LK_WORKSPACES(LK_DECLARE)
#undef LK_DECLARE

extern const Operations operations;

}  // namespace lk::cuda
