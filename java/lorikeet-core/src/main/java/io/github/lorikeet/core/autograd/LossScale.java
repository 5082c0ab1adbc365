// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

/**
 * What a loss is multiplied by in the backward pass of a tape with f16 activations, so that
 * gradients neither vanish among f16's smallest numbers nor pass its largest (Micikevicius et al.,
 * arXiv 1710.03740). Only the gradients it has been decide it: halved when they were not finite,
 * doubled after 2000 steps in a row in which they were.
 */
final class LossScale {
  static final float LARGEST = 1 << 24;
  private static final int STEPS_TO_DOUBLE = 2000;

  private float value = 1 << 16;
  private int finiteSteps;

  float value() {
    return value;
  }

  /** Steps in a row with finite gradients since the value changed. */
  int finiteSteps() {
    return finiteSteps;
  }

  /**
   * Goes on from another one.
   *
   * @throws IllegalArgumentException where none can be like that
   */
  static void check(float value, int finiteSteps) {
    boolean isPower =
        value >= 1 && value <= LARGEST && Math.scalb(1f, Math.getExponent(value)) == value;
    if (!isPower || finiteSteps < 0 || finiteSteps >= STEPS_TO_DOUBLE) {
      throw new IllegalArgumentException(
          "loss scale %s after %d steps: expected a power of 2 from 1 to 2^24 and fewer than %d steps"
              .formatted(value, finiteSteps, STEPS_TO_DOUBLE));
    }
  }

  void set(float value, int finiteSteps) {
    check(value, finiteSteps);
    this.value = value;
    this.finiteSteps = finiteSteps;
  }

  /**
   * Takes note of the gradients that a step is about to use.
   *
   * @return whether to leave the step out: they overflowed, and a smaller scale may help
   */
  boolean overflowed(boolean finite) {
    if (finite) {
      if (++finiteSteps == STEPS_TO_DOUBLE) {
        value = Math.min(LARGEST, 2 * value);
        finiteSteps = 0;
      }
      return false;
    }
    finiteSteps = 0;
    if (value == 1) {
      return false;
    }
    value /= 2;
    return true;
  }
}
