// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

/**
 * A linear layer y = x Wᵀ + bias, with a low-rank adapter or without.
 *
 * @param weight W [outputs, inputs]; further dimensions, as of a patch embedding's [outputs,
 *     channels, height, width], count as inputs
 * @param bias [outputs], or null
 * @param lora null for none
 */
public record Linear(Parameter weight, Parameter bias, LoraAdapter lora) {
  public Linear {
    if (weight.sizes().length < 2) {
      throw new IllegalArgumentException(weight.describe() + ": expected [outputs, inputs]");
    }
    long outputs = weight.sizes()[0];
    if (bias != null && bias.elements() != outputs) {
      throw new IllegalArgumentException(
          bias.describe() + ": expected [" + outputs + "], the outputs of " + weight.describe());
    }
    if (lora != null) {
      lora.checkFits(weight);
    }
  }

  /** A layer without an adapter. */
  public Linear(Parameter weight, Parameter bias) {
    this(weight, bias, null);
  }

  /** Columns of y. */
  public long outputs() {
    return weight.sizes()[0];
  }

  /** Columns of x. */
  public long inputs() {
    return weight.elements() / outputs();
  }
}
