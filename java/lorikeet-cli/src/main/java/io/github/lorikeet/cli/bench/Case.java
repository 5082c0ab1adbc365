// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Precision;
import java.util.function.Function;

/**
 * Something to time.
 *
 * @param name the operation, such as {@code lora-forward}
 * @param shape such as {@code qkv M=1576 r=4 p=0.1}
 * @param type of the activations
 * @param work of one run
 * @param opener allocates its memory on a device
 * @param checked opens the same in a form whose results other libraries can be held against:
 *     without random masks, with steps large enough to show; the opener itself where it has such
 * @param precision of the device that it is for, where that makes a difference
 */
public record Case(
    String name,
    String shape,
    DType type,
    Work work,
    Function<Device, Body> opener,
    Function<Device, Body> checked,
    Precision precision) {
  /** A case of exact products. */
  Case(
      String name,
      String shape,
      DType type,
      Work work,
      Function<Device, Body> opener,
      Function<Device, Body> checked) {
    this(name, shape, type, work, opener, checked, Precision.EXACT);
  }

  /** A case whose results can be compared as they are. */
  Case(String name, String shape, DType type, Work work, Function<Device, Body> opener) {
    this(name, shape, type, work, opener, opener);
  }

  public Body open(Device device) {
    return opener.apply(device);
  }

  /** Whether results are compared in another form than is timed. */
  public boolean isCheckedApart() {
    return checked != opener;
  }

  /** Opens the form whose results can be compared. */
  public Body openChecked(Device device) {
    return checked.apply(device);
  }

  /** The same for a device of this precision. */
  Case with(Precision precision) {
    return new Case(name, shape, type, work, opener, checked, precision);
  }

  /** The activations' dtype; {@code tf32} for f32 that is multiplied in tf32. */
  public String dtype() {
    return precision == Precision.TF32 ? "tf32" : type.toString();
  }

  /** Names the case among all. */
  public String key() {
    return name + " " + shape + " " + dtype();
  }
}
