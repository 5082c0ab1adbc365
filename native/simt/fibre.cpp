// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// On x86-64 a switch saves the six registers that a callee must keep, about 4 ns; the system's
// ucontext, which serves elsewhere, makes a system call each time.
#include "fibre.h"

#include <cstdint>

namespace lk::simt {

#if defined(__x86_64__)

extern "C" void lk_simt_switch(void** from, void* to);
asm(R"(
.text
.hidden lk_simt_switch
.global lk_simt_switch
.type lk_simt_switch, @function
lk_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size lk_simt_switch, .-lk_simt_switch
)");

void prepare_fibre(Continuation& fibre, void* stack, size_t bytes, void (*entry)()) {
  // As the switch pops it: six registers, the return address; then the alignment that a function
  // finds on entry (16 bytes, less the return address of its caller).
  auto top = reinterpret_cast<uintptr_t>(stack) + bytes;
  auto* words = reinterpret_cast<void**>(top & ~uintptr_t{15});
  *--words = nullptr;
  *--words = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--words = nullptr;
  fibre.stack_pointer = words;
}

void switch_fibre(Continuation& from, Continuation& to) {
  lk_simt_switch(&from.stack_pointer, to.stack_pointer);
}

#else

void prepare_fibre(Continuation& fibre, void* stack, size_t bytes, void (*entry)()) {
  getcontext(&fibre.context);
  fibre.context.uc_stack.ss_sp = stack;
  fibre.context.uc_stack.ss_size = bytes;
  fibre.context.uc_link = nullptr;
  makecontext(&fibre.context, entry, 0);
}

void switch_fibre(Continuation& from, Continuation& to) {
  swapcontext(&from.context, &to.context);
}

#endif

}  // namespace lk::simt
