// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// What liblorikeet_simt.so shows beside the plug-in's entry point, found by dlsym: the executor's
// counts. `device` is one that this library opened.
#pragma once

#include "counters.h"
#include "lorikeet.h"

extern "C" {

typedef void (*lk_simt_visit)(void* to, const char* kernel, const lk::simt::Counters* counters);
// Calls visit once a kernel that ran since the last reset, in the order of their names.
LK_API void lk_simt_counters(lk_device* device, lk_simt_visit visit, void* to);
LK_API void lk_simt_reset(lk_device* device);
}
