// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision;

import io.github.lorikeet.core.Device;

/**
 * The devices that tests run over: those with the tag {@link #EACH} once over the processor and
 * once over the CUDA kernels, run on it, but for those that also have {@link #PROCESSOR_ONLY}.
 */
public final class TestDevices {
  public static final String EACH = "each-device";

  /** What takes the simulated device too long and shows nothing more. */
  public static final String PROCESSOR_ONLY = "processor-only";

  private static final String NAME = System.getProperty("lorikeet.test.device", "cpu");

  private TestDevices() {}

  public static boolean isCpu() {
    return NAME.equals("cpu");
  }

  /** Opens the device of this run. */
  public static Device open(int threads) {
    return Device.open(NAME, threads);
  }
}
