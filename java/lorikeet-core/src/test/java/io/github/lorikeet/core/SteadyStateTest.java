// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag(TestDevices.PROCESSOR_ONLY)
class SteadyStateTest extends KernelsTestCase {
  private static final int CALLS = 10_000;

  private final Tensor x = random(1, 3, 4);
  private final Tensor y = output(3, 4);

  private long allocatedBytes(Runnable calls) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    // Enough for the compiler to take its final view of the calls.
    for (int i = 0; i < 20; i++) {
      calls.run();
    }
    long before = threads.getCurrentThreadAllocatedBytes();
    calls.run();
    return threads.getCurrentThreadAllocatedBytes() - before;
  }

  @Test
  void kernelsAllocateNothing() {
    Tensor gamma = random(2, 4);
    Tensor statistics = output(3, 2);
    Tensor dGamma = output(4);
    Tensor workspace = workspace(kernels.layerNormBackwardWorkspace(3, 4));
    RandomKey key = new RandomKey(1, 2);
    long bytes =
        allocatedBytes(
            () -> {
              for (int i = 0; i < CALLS; i++) {
                kernels.geluForward(x, y);
                kernels.add(x, y, y);
                key.step(i);
                kernels.randomUniform(key, gamma);
                kernels.layerNormForward(x, gamma, gamma, 1, y, statistics);
                kernels.layerNormBackward(
                    y, x, gamma, statistics, 0, null, dGamma, null, workspace);
              }
            });
    assertThat(bytes).isLessThan(CALLS);
  }
}
