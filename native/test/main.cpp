// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest.h>

#include "support.h"

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  if (context.shouldExit()) return context.run();
  // An instruction set this machine lacks is a skip for ctest, not a failure: say so and stop.
  if (!lk::test::open_devices()) return 1;
  const int result = context.run();
  return lk::test::close_devices() ? result : 1;
}
