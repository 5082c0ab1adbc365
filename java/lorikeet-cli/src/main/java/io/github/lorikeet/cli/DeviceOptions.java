// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.core.Device;
import picocli.CommandLine.Option;

/** Where to compute. */
final class DeviceOptions {
  @Option(
      names = "--device",
      paramLabel = "NAME",
      defaultValue = "cpu",
      description = "Where to compute: ${DEFAULT-VALUE}.")
  private String device;

  @Option(
      names = "--threads",
      paramLabel = "N",
      defaultValue = "0",
      description =
          "Worker threads; 0: one a processor (default). Results are the same for any number.")
  private int threads;

  Device open() {
    return Device.open(device, threads);
  }

  /** Threads that decode images beside the device's. */
  int loaderThreads() {
    return threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
  }
}
