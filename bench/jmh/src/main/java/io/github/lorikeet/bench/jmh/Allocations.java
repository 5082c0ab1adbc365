// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.jmh;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;

/**
 * Counts what a step allocates on the Java heap. JMH's own profiler adds some 100 kB an iteration
 * of its own, beside which a few bytes a step cannot be seen.
 */
final class Allocations {
  private static final int STEPS = 100;
  private static final int MOST_ROUNDS = 500;
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private Allocations() {}

  /**
   * Runs steps until they allocate nothing: interpreted code allocates what compiled code does not.
   *
   * @throws IllegalStateException where they never do
   */
  static void requireNone(Runnable step) {
    double bytes = 0;
    for (int round = 0; round < MOST_ROUNDS; round++) {
      long before = THREADS.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < STEPS; i++) {
        step.run();
      }
      bytes = (THREADS.getCurrentThreadAllocatedBytes() - before) / (double) STEPS;
      if (bytes < 1) {
        return;
      }
    }
    throw new IllegalStateException(bytes + " bytes allocated a step, expected none");
  }
}
