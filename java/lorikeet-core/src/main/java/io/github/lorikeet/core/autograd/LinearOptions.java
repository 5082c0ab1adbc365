// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

/**
 * What a linear operation does beside its product, in the same pass: with z the layer's output, y =
 * residual + dropPath ∘ gelu(z).
 *
 * @param gelu whether to apply GELU to z
 * @param residual added last, of the output's shape; null for none
 * @param dropPath one scale a sample, [samples] with samples dividing the rows, as {@link
 *     Tape#dropPathScales} makes them; null for none
 */
public record LinearOptions(boolean gelu, Variable residual, Variable dropPath) {
  /** The product alone. */
  public static final LinearOptions NONE = new LinearOptions(false, null, null);

  /** GELU of the product. */
  public static final LinearOptions GELU = new LinearOptions(true, null, null);

  /** A residual branch's end. */
  public static LinearOptions residual(Variable residual, Variable dropPath) {
    return new LinearOptions(false, residual, dropPath);
  }
}
