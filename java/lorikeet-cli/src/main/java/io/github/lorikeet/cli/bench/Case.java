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
 * @param checked opens the same without random masks, whose results other libraries can be held
 *     against; the opener itself where there are none
 */
public record Case(
    String name,
    String shape,
    DType type,
    Work work,
    Function<Device, Body> opener,
    Function<Device, Body> checked) {
  /** A case without random masks. */
  Case(String name, String shape, DType type, Work work, Function<Device, Body> opener) {
    this(name, shape, type, work, opener, opener);
  }

  public Body open(Device device) {
    return opener.apply(device);
  }

  /** Whether results depend on random masks. */
  public boolean isRandom() {
    return checked != opener;
  }

  /** Opens the same without random masks. */
  public Body openChecked(Device device) {
    return checked.apply(device);
  }

  /** Names the case among all. */
  public String key() {
    return name + " " + shape + " " + type;
  }
}
