// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "common/caches.h"

#include <unistd.h>

#include <cstdio>

namespace lk {
namespace {

int64_t find_second_level() {
  constexpr int64_t kUsual = int64_t{1} << 20, kLeast = int64_t{1} << 18;
#if defined(_SC_LEVEL2_CACHE_SIZE)
  const int64_t told = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return told >= kLeast ? told : kUsual;
#else
  return kUsual;
#endif
}

// From the system's files: sysconf() counts caches of cores that share none with these.
int64_t find_last_level() {
  constexpr int64_t kUsual = int64_t{1} << 25;
  FILE* file = std::fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "r");
  if (file == nullptr) return kUsual;
  long long kibibytes = 0;
  const bool told = std::fscanf(file, "%lldK", &kibibytes) == 1;
  std::fclose(file);
  return told && kibibytes * 1024 >= second_level_cache() ? kibibytes * 1024 : kUsual;
}

}  // namespace

// Asking takes microseconds: once is enough.
int64_t second_level_cache() {
  static const int64_t bytes = find_second_level();
  return bytes;
}

int64_t last_level_cache() {
  static const int64_t bytes = find_last_level();
  return bytes;
}

}  // namespace lk
