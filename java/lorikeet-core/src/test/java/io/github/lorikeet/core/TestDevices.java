// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

/**
 * The devices that tests run over. Tests with the tag {@link #EACH} run once over the processor and
 * once over the CUDA kernels, run on it; not those that also have {@link #PROCESSOR_ONLY}.
 */
public final class TestDevices {
  public static final String EACH = "each-device";

  /** What takes the simulated device too long, or has nothing to do with devices. */
  public static final String PROCESSOR_ONLY = "processor-only";

  private TestDevices() {}

  /** That of this run of tagged tests: {@code cpu} or {@code simt:up}. */
  public static String name() {
    return System.getProperty("lorikeet.test.device", "cpu");
  }

  public static boolean isCpu() {
    return name().equals("cpu");
  }

  /** Opens the device of this run. */
  public static Device open(int threads) {
    return open(name(), threads);
  }

  /**
   * Opens a device. Where nothing names the simulated one's library, its tests are skipped; where
   * something does, as Maven does, they fail if it cannot be used.
   */
  public static Device open(String name, int threads) {
    assumeTrue(
        !name.startsWith("simt") || System.getenv("LORIKEET_SIMT_LIBRARY") != null,
        "device simt: LORIKEET_SIMT_LIBRARY does not name it");
    return Device.open(name, threads);
  }
}
