// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import java.util.function.Function;

/**
 * Something to time.
 *
 * @param name the operation, such as {@code lora-forward}
 * @param shape such as {@code qkv M=1576 r=4 p=0.1}
 * @param type of the activations
 * @param work of one run
 * @param opener allocates its memory on a device
 */
public record Case(
    String name, String shape, DType type, Work work, Function<Device, Body> opener) {
  public Body open(Device device) {
    return opener.apply(device);
  }

  /** Names the case among all. */
  public String key() {
    return name + " " + shape + " " + type;
  }
}
