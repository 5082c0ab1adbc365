// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What kernels know of the processor's caches, for cutting work into pieces. No result depends on it.
#pragma once

#include <cstdint>

namespace lk {

// Bytes of a core's second-level cache, or a usual number where the system does not say.
int64_t second_level_cache();

// Bytes of the largest cache, which cores may share.
int64_t last_level_cache();

}  // namespace lk
