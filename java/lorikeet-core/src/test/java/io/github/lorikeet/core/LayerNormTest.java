// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import org.junit.jupiter.api.Test;

class LayerNormTest extends KernelsTestCase {
  // A row of -1 and 1 has mean 0 and variance 1: with eps 3, rstd is 1/2.
  private final Tensor x = vector(-1, 1, 4, 2).reshape(2, 2);
  private final Tensor gamma = vector(2, 4);
  private final Tensor statistics = output(2, 2);

  private void forward(Tensor y) {
    kernels.layerNormForward(x, gamma, vector(10, 20), 3, y, statistics);
  }

  @Test
  void forward() {
    Tensor y = output(2, 2);
    forward(y);
    assertNumbers(y, 9, 22, 11, 18);
    assertNumbers(statistics, 0, 0.5, 3, 0.5);
    assertRefused(
        () -> forward(output(2, 3)),
        "layer_norm_forward: y: f32 [2, 3] strides [3, 1], expected 2 rows of 2 elements");
  }

  @Test
  void backward() {
    forward(output(2, 2));
    Tensor dy = vector(1, 0, 0, 1).reshape(2, 2);
    Tensor dX = output(2, 2);
    Tensor dGamma = output(2);
    Tensor dBeta = output(2);
    Tensor workspace = workspace(kernels.layerNormBackwardWorkspace(2, 2));
    kernels.layerNormBackward(dy, x, gamma, statistics, 0, dX, dGamma, dBeta, workspace);
    // With n = (x - mean) rstd and g = dy gamma: d_x = rstd (g - mean(g) - n mean(g n)).
    assertNumbers(dX, 0.375, -0.375, -0.75, 0.75);
    assertNumbers(dGamma, -0.5, -0.5);
    assertNumbers(dBeta, 1, 1);
    kernels.layerNormBackward(
        dy,
        x,
        gamma,
        statistics,
        Kernels.ADD_TO_D_X | Kernels.ADD_TO_PARAMETERS,
        dX,
        dGamma,
        null,
        workspace);
    assertNumbers(dX, 0.75, -0.75, -1.5, 1.5);
    assertNumbers(dGamma, -1, -1);
    assertRefused(
        () -> kernels.layerNormBackward(dy, x, gamma, statistics, 8, dX, null, null, workspace),
        "layer_norm_backward: flags: 8, expected LK_ADD_TO_D_X, LK_ADD_TO_PARAMETERS or both");
  }
}
