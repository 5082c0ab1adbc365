// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import org.junit.jupiter.api.Test;

class LayerNormTest extends KernelsTestCase {
  private static final int M = 3;
  private static final int K = 7;
  private static final float EPS = 0.125f;

  private final Tensor x = random(1, M, K);
  private final Tensor gamma = random(2, K);
  private final Tensor beta = random(3, K);
  private final Tensor dy = random(4, M, K);
  private final Tensor statistics = output(M, 2);
  private final double[] means = new double[M];
  private final double[] rstds = new double[M];

  /** (x - mean) rstd. */
  private final double[] normalised = numbers(x);

  LayerNormTest() {
    for (int i = 0; i < M; i++) {
      double variance = 0;
      for (int k = 0; k < K; k++) {
        means[i] += normalised[i * K + k] / K;
      }
      for (int k = 0; k < K; k++) {
        normalised[i * K + k] -= means[i];
        variance += normalised[i * K + k] * normalised[i * K + k] / K;
      }
      rstds[i] = 1 / Math.sqrt(variance + EPS);
      for (int k = 0; k < K; k++) {
        normalised[i * K + k] *= rstds[i];
      }
    }
  }

  @Test
  void forward() {
    double[] expected = new double[M * K];
    for (int e = 0; e < M * K; e++) {
      expected[e] = normalised[e] * numbers(gamma)[e % K] + numbers(beta)[e % K];
    }
    Tensor y = output(M, K);
    kernels.layerNormForward(x, gamma, beta, EPS, y, statistics);
    assertNumbers(y, expected);
    assertNumbers(statistics, means[0], rstds[0], means[1], rstds[1], means[2], rstds[2]);
    Tensor again = output(M, K);
    kernels.layerNormForward(x, gamma, beta, EPS, again, null);
    assertNumbers(again, expected);
  }

  @Test
  void backward() {
    // With g = dy gamma: d_x = rstd (g - mean(g) - n mean(g n)).
    double[] expectedDX = new double[M * K];
    double[] expectedDGamma = new double[K];
    double[] expectedDBeta = new double[K];
    for (int i = 0; i < M; i++) {
      double mean = 0;
      double product = 0;
      for (int k = 0; k < K; k++) {
        double g = numbers(dy)[i * K + k] * numbers(gamma)[k];
        mean += g / K;
        product += g * normalised[i * K + k] / K;
        expectedDGamma[k] += numbers(dy)[i * K + k] * normalised[i * K + k];
        expectedDBeta[k] += numbers(dy)[i * K + k];
      }
      for (int k = 0; k < K; k++) {
        double g = numbers(dy)[i * K + k] * numbers(gamma)[k];
        expectedDX[i * K + k] = rstds[i] * (g - mean - normalised[i * K + k] * product);
      }
    }
    kernels.layerNormForward(x, gamma, beta, EPS, output(M, K), statistics);
    Tensor dX = output(M, K);
    Tensor dGamma = output(K);
    Tensor dBeta = output(K);
    Tensor workspace = workspace(kernels.layerNormBackwardWorkspace(M, K));
    for (int times = 1; times <= 2; times++) {
      int flags = times == 1 ? 0 : Kernels.ADD_TO_D_X | Kernels.ADD_TO_PARAMETERS;
      kernels.layerNormBackward(dy, x, gamma, statistics, flags, dX, dGamma, dBeta, workspace);
      assertNumbers(dX, times(times, expectedDX));
      assertNumbers(dGamma, times(times, expectedDGamma));
      assertNumbers(dBeta, times(times, expectedDBeta));
    }
  }

  @Test
  void refusesBadArguments() {
    Tensor y = output(M, K);
    Tensor workspace = workspace(kernels.layerNormBackwardWorkspace(M, K));
    assertRefused(
        () -> kernels.layerNormForward(x, gamma, beta, EPS, output(M, K + 1), statistics),
        "layer_norm_forward: y: f32 [3, 8] strides [8, 1], expected 3 rows of 7 elements");
    assertRefused(
        () -> kernels.layerNormForward(x, x, beta, EPS, y, statistics),
        "layer_norm_forward: gamma: f32 [3, 7] strides [7, 1], expected 7 elements side by side");
    assertRefused(
        () -> kernels.layerNormForward(x, gamma, beta, -1, y, statistics),
        "layer_norm_forward: eps: -1, expected zero or more, below 1e30");
    assertRefused(
        () -> kernels.layerNormForward(x, gamma, beta, EPS, y, gamma),
        "layer_norm_forward: statistics: f32 [7] strides [1], expected 3 rows of 2 elements");
    assertRefused(
        () -> kernels.layerNormBackward(dy, x, gamma, statistics, 8, y, null, null, workspace),
        "layer_norm_backward: flags: 8, expected LK_ADD_TO_D_X, LK_ADD_TO_PARAMETERS or both");
    assertRefused(
        () -> kernels.layerNormBackward(dy, x, gamma, null, 0, y, null, null, workspace),
        "layer_norm_backward: statistics: NULL, expected a tensor");
    assertRefused(
        () -> kernels.layerNormBackward(dy, x, gamma, statistics, 0, null, null, null, workspace),
        "layer_norm_backward: d_x, d_gamma, d_beta: all NULL, expected one at least");
    assertRefused(
        () -> kernels.layerNormBackward(dy, x, gamma, statistics, 0, y, gamma, null, null),
        "layer_norm_backward: gamma and d_gamma: share memory, expected apart");
    assertWantsScratch(
        "layer_norm_backward: workspace",
        kernels.layerNormBackwardWorkspace(M, K),
        scratch -> kernels.layerNormBackward(dy, x, gamma, statistics, 0, y, beta, null, scratch));
    assertRefused(
        () -> kernels.layerNormBackwardWorkspace(M, 0),
        "layer_norm_backward_workspace: m, k: 3, 0, expected 1 or more rows and columns in range");
    assertNumbers(y, numbers(output(M, K)));
  }
}
