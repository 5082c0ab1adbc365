// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "amx.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace lk {
namespace {

bool system_saves_tiles() {
  uint32_t low = 0, high = 0;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  constexpr uint32_t kTileConfiguration = 1u << 17, kTileData = 1u << 18;
  return (low & kTileConfiguration) != 0 && (low & kTileData) != 0;
}

}  // namespace

bool has_amx() {
  constexpr unsigned kXsave = 1u << 27;  // leaf 1: the system has turned XGETBV on
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & kXsave) == 0 || !system_saves_tiles()) return false;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kBf16) == 0 || (d & kTile) == 0) return false;
  // Some virtual machines name AMX but have no shapes for its registers.
  return __get_cpuid_count(0x1D, 0, &a, &b, &c, &d) != 0 && a >= 1;
}

bool permit_amx() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // of asm/prctl.h, from Linux 5.16 on
  static const bool permitted = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return permitted;
}

}  // namespace lk

#else

namespace lk {

bool has_amx() { return false; }
bool permit_amx() { return false; }

}  // namespace lk

#endif
