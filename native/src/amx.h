// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// Intel AMX's tile registers, which a process must ask the system for before it touches them.
#pragma once

namespace lk {

// Whether processor and system have tile registers and bf16 products on them.
bool has_amx();

// Asks the system to let this process use them, once, for all its threads, those to come too; false if
// it refuses. It does so where some thread's signal stack is too small for what it would save there,
// and having agreed refuses such stacks: so only who will use them should ask.
bool permit_amx();

}  // namespace lk
