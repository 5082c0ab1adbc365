// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The processor's rounding and its treatment of subnormal numbers belong to the calling thread, and other
// libraries of the process change them: one linked with -ffast-math does as it is loaded.
#pragma once

#if !defined(__x86_64__)
#include <cfenv>
#endif

namespace lk {

// The defaults, to nearest and with subnormal numbers, while it lives; then the caller's again. A thread
// that is started meanwhile keeps the defaults.
class DefaultFloatMode {
 public:
  DefaultFloatMode(const DefaultFloatMode&) = delete;
  DefaultFloatMode& operator=(const DefaultFloatMode&) = delete;

#if defined(__x86_64__)
  // Not fesetenv: that resets the x87 unit too, which costs more than a call may.
  DefaultFloatMode() : callers_(__builtin_ia32_stmxcsr()) {
    if (changed()) __builtin_ia32_ldmxcsr(kDefault);
  }
  ~DefaultFloatMode() {
    if (changed()) __builtin_ia32_ldmxcsr(callers_);
  }

 private:
  static constexpr unsigned kDefault = 0x1F80, kFlags = 0x3F;
  bool changed() const { return (callers_ & ~kFlags) != kDefault; }

  const unsigned callers_;
#else
  DefaultFloatMode() {
    std::fegetenv(&callers_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloatMode() { std::fesetenv(&callers_); }

 private:
  std::fenv_t callers_;
#endif
};

}  // namespace lk
