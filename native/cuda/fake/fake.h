// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What the test sees of the made-up CUDA runtime: a machine with two devices, whose memory is the
// host's. A stream does what it was given when somebody waits for it, and what others were given no
// further than its events demand; an eager stream at once, as far as its events allow. So an event
// that is missing shows in the values.
#pragma once

#include "lorikeet.h"

namespace lk::fake {

struct Runtime {
  // Streams that the device makes from now on are eager, or not.
  void (*make_eager)(bool eager);
  // The next call of this name, such as "cudaMalloc", fails: for want of memory, or because a kernel before
  // it did.
  void (*fail_next)(const char* call, bool for_memory);
  // Streams and events that were made and not destroyed.
  int (*live)();
  // How often the host waited for a stream or an event.
  int (*waits)();
  // What was done that CUDA forbids, such as the use of a destroyed stream; "" for nothing.
  const char* (*misuse)();
  // A stream of a caller: made on the current device, destroyed, given a write of one number.
  void* (*make_stream)(bool eager);
  void (*destroy_stream)(void* stream);
  void (*write)(void* stream, float* to, float value);
};

}  // namespace lk::fake

extern "C" {
// The plug-in's, found by dlsym.
LK_API const lk::fake::Runtime* lk_fake_runtime(void);
}
