// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.ParameterArray;
import io.github.lorikeet.core.Tensor;

/**
 * Adam with decoupled weight decay and bias correction (Loshchilov and Hutter, arXiv 1711.05101).
 */
public final class AdamW extends Optimizer {
  private final float beta1;
  private final float beta2;
  private final float eps;

  /** With beta1 0.9, beta2 0.999, eps 1e-8. */
  public AdamW() {
    this(0.9f, 0.999f, 1e-8f);
  }

  /**
   * @param beta1 decay of the first moment, 0 to less than 1
   * @param beta2 decay of the second moment, 0 to less than 1
   * @param eps added to the second moment's root
   */
  public AdamW(float beta1, float beta2, float eps) {
    super(2);
    if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1 && eps > 0)) {
      throw new IllegalArgumentException(
          "beta1 %s, beta2 %s, eps %s: expected 0 <= beta < 1 and eps > 0"
              .formatted(beta1, beta2, eps));
    }
    this.beta1 = beta1;
    this.beta2 = beta2;
    this.eps = eps;
  }

  @Override
  void step(
      Kernels kernels, ParameterArray array, float learningRate, long step, Tensor gradientScale) {
    kernels.adamwStep(array, learningRate, beta1, beta2, eps, step, gradientScale);
  }
}
