// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "common/caches.h"

#include <unistd.h>

namespace lk {

int64_t second_level_cache() {
  // Asking takes microseconds: once is enough.
  static const int64_t bytes = [] {
    constexpr int64_t kUsual = int64_t{1} << 20, kLeast = int64_t{1} << 18;
#if defined(_SC_LEVEL2_CACHE_SIZE)
    const int64_t told = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return told >= kLeast ? told : kUsual;
#else
    return kUsual;
#endif
  }();
  return bytes;
}

}  // namespace lk
