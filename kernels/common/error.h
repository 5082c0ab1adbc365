// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// How a failure travels: a status code up the call stack, its words in the calling thread's text.
#pragma once

#include "lorikeet.h"

namespace lk {

// Keeps the words for lk_last_error() and returns the status, so that a check reads
// `return fail(LK_BAD_ARGUMENT, "x: ...")`. Never allocates; long texts are cut.
[[gnu::format(printf, 2, 3)]] lk_status fail(lk_status status, const char* format, ...);

const char* last_error();

// A named size in lk_describe()'s text, such as {"m", 1576}.
struct Size {
  const char* name;
  int64_t value;
};

// Keeps what lk_describe() tells of this thread's last operation: the operation, the kernel that
// runs it and the sizes that chose it. The words are put together only when somebody asks (or
// LORIKEET_TRACE is set). The texts must be literals.
void describe(const char* operation, const char* kernel);
void describe_sizes(const Size* sizes, int count);
// The same operation, run by this kernel: for devices that have several for one operation.
void describe_kernel(const char* kernel);
template <int N>
void describe_sizes(const Size (&sizes)[N]) {
  describe_sizes(sizes, N);
}
// Prints the description when LORIKEET_TRACE is set.
void trace();

const char* last_description();

}  // namespace lk

#define LK_TRY(expression)                          \
  do {                                              \
    const lk_status lk_try_status = (expression);   \
    if (lk_try_status != LK_OK) return lk_try_status; \
  } while (0)
