// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// A line a test case with a hash of every array that it fetched from devices, into the file that
// LORIKEET_TEST_DIGESTS names. The executor's schedules must give the same file, bit for bit.
#pragma once

#include <cstddef>

namespace lk::test {

// Takes what was fetched into the running test case's hash.
void digest(const void* data, size_t bytes);

}  // namespace lk::test
