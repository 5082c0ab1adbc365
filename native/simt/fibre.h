// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// A stack of its own for each simulated CUDA thread, and the switch between two of them.
#pragma once

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace lk::simt {

// Where a suspended flow of control goes on.
struct Continuation {
#if defined(__x86_64__)
  void* stack_pointer = nullptr;
#else
  ucontext_t context;
#endif
};

// Makes `fibre` start with entry() on the stack [stack, stack + bytes). entry must not return.
void prepare_fibre(Continuation& fibre, void* stack, size_t bytes, void (*entry)());

// Suspends the caller in `from` and goes on with `to`, on the same operating system thread.
void switch_fibre(Continuation& from, Continuation& to);

}  // namespace lk::simt
