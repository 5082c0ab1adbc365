// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

/** The devices that tests run over. */
public final class TestDevices {
  private TestDevices() {}

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
