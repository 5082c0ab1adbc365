// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Declares every operation's CUDA kernel. LK_SOME_ROOMS: for a table of the rooms that are linked;
// the other rooms' slots are empty.
#pragma once

#include "operations.h"

#ifdef LK_SOME_ROOMS
#define LK_LINKAGE [[gnu::weak]]
#else
#define LK_LINKAGE
#endif

namespace lk::cuda {

#define LK_DECLARE(name, description) LK_LINKAGE lk_status name(const Context&, const description&);
LK_OPERATIONS(LK_DECLARE)
#undef LK_DECLARE
#define LK_DECLARE(name, description) LK_LINKAGE size_t name(const Context&, const description&);
LK_WORKSPACES(LK_DECLARE)
#undef LK_DECLARE

extern const Operations operations;

}  // namespace lk::cuda
