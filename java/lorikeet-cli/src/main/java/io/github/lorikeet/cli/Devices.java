// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.DeviceInfo;
import io.github.lorikeet.core.LorikeetException;
import io.github.lorikeet.core.Status;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The devices of this machine.
 *
 * @param found those that can be used
 * @param missing why others cannot, by name
 */
record Devices(String libraryVersion, List<DeviceInfo> found, Map<String, String> missing) {
  /**
   * Opens every device once.
   *
   * @param threads worker threads of the CPU
   * @throws LorikeetException where not even the CPU can be used
   */
  static Devices find(int threads) {
    List<DeviceInfo> found = new ArrayList<>();
    Map<String, String> missing = new LinkedHashMap<>();
    String version;
    try (Device cpu = Device.open("cpu", threads)) {
      version = cpu.kernels().version();
      found.add(cpu.info());
    }
    boolean more = true;
    for (int i = 0; more; i++) {
      String name = "cuda:" + i;
      try (Device device = Device.open(name, 0)) {
        found.add(device.info());
      } catch (LorikeetException e) {
        // A number beyond the last device is a bad argument.
        more = i > 0 && e.status() != Status.BAD_ARGUMENT;
        if (i == 0 || more) {
          missing.put(name, e.getMessage().replaceFirst("^device_open: name: ", ""));
        }
      }
    }
    return new Devices(version, found, missing);
  }
}
