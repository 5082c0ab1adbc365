// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.ParameterArray;
import io.github.lorikeet.core.Tensor;

/**
 * Stochastic gradient descent with momentum: m = momentum m + gradient + weight_decay value; value
 * -= lr m.
 */
public final class Sgd extends Optimizer {
  private final float momentum;

  /**
   * @param momentum 0 to less than 1
   */
  public Sgd(float momentum) {
    super(1);
    if (!(momentum >= 0 && momentum < 1)) {
      throw new IllegalArgumentException("momentum " + momentum + ": expected 0 <= momentum < 1");
    }
    this.momentum = momentum;
  }

  @Override
  void step(
      Kernels kernels, ParameterArray array, float learningRate, long step, Tensor gradientScale) {
    kernels.sgdStep(array, learningRate, momentum, gradientScale);
  }
}
