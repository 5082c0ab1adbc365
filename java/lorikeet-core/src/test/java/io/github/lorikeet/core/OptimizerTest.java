// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import org.junit.jupiter.api.Test;

class OptimizerTest extends KernelsTestCase {
  private static final long[][] SHAPES = {{3, 5}, {7}};
  private static final float[] RATE_SCALES = {2, 0.5f};
  private static final float[] DECAYS = {0.25f, 0};
  private static final float RATE = 0.1f;

  private final Tensor[] values = new Tensor[2];
  private final Tensor[] gradients = new Tensor[2];
  private final Tensor[] first = new Tensor[2];
  private final Tensor[] second = new Tensor[2];
  private final ParameterArray parameters = new ParameterArray(2);

  /** A gradient scale. */
  private final Tensor scale = vector(0.5f);

  OptimizerTest() {
    for (int i = 0; i < 2; i++) {
      values[i] = random(10 + i, SHAPES[i]);
      gradients[i] = random(20 + i, SHAPES[i]);
      first[i] = random(30 + i, SHAPES[i]);
      second[i] = output(SHAPES[i]);
      parameters.set(i, values[i], gradients[i], first[i], second[i]);
      parameters.set(i, RATE_SCALES[i], DECAYS[i]);
    }
  }

  @Test
  void sgd() {
    assertThat(parameters.count()).isEqualTo(2);
    float momentum = 0.75f;
    for (Tensor gradientScale : new Tensor[] {null, scale}) {
      double[][] newValues = new double[2][];
      double[][] newFirst = new double[2][];
      for (int i = 0; i < 2; i++) {
        newValues[i] = numbers(values[i]);
        newFirst[i] = numbers(first[i]);
        for (int e = 0; e < newValues[i].length; e++) {
          double g = numbers(gradients[i])[e] * (gradientScale == null ? 1 : 0.5);
          newFirst[i][e] = momentum * newFirst[i][e] + g + DECAYS[i] * newValues[i][e];
          newValues[i][e] -= RATE * RATE_SCALES[i] * newFirst[i][e];
        }
      }
      kernels.sgdStep(parameters, RATE, momentum, gradientScale);
      for (int i = 0; i < 2; i++) {
        assertNumbers(values[i], newValues[i]);
        assertNumbers(first[i], newFirst[i]);
      }
    }
  }

  @Test
  void aTensorThatIsTakenAwayIsUsedNoMore() {
    kernels.adamwStep(parameters, RATE, 0.9f, 0.999f, 1e-8f, 1, null);
    parameters.set(0, values[0], gradients[0], first[0], null);
    float[] before = values[0].download();
    assertRefused(
        () -> kernels.adamwStep(parameters, RATE, 0.9f, 0.999f, 1e-8f, 1, null),
        "adamw_step: parameters[0].second_moment: data is NULL for f32 [] strides []");
    assertThat(values[0].download()).isEqualTo(before);
    kernels.sgdStep(parameters, RATE, 0, null);
    assertThat(values[0].download()).isNotEqualTo(before);
  }

  @Test
  void adamw() {
    float beta1 = 0.75f;
    float beta2 = 0.875f;
    float eps = 0.01f;
    for (int step = 2; step <= 3; step++) {
      double[][] newValues = new double[2][];
      double[][] newFirst = new double[2][];
      double[][] newSecond = new double[2][];
      for (int i = 0; i < 2; i++) {
        newValues[i] = numbers(values[i]);
        newFirst[i] = numbers(first[i]);
        newSecond[i] = numbers(second[i]);
        double rate = RATE * RATE_SCALES[i];
        for (int e = 0; e < newValues[i].length; e++) {
          double g = numbers(gradients[i])[e] * (step == 2 ? 1 : 0.5);
          newFirst[i][e] = beta1 * newFirst[i][e] + (1 - beta1) * g;
          newSecond[i][e] = beta2 * newSecond[i][e] + (1 - beta2) * g * g;
          double mean = newFirst[i][e] / (1 - Math.pow(beta1, step));
          double square = newSecond[i][e] / (1 - Math.pow(beta2, step));
          newValues[i][e] *= 1 - rate * DECAYS[i];
          newValues[i][e] -= rate * mean / (Math.sqrt(square) + eps);
        }
      }
      kernels.adamwStep(parameters, RATE, beta1, beta2, eps, step, step == 2 ? null : scale);
      for (int i = 0; i < 2; i++) {
        assertNumbers(values[i], newValues[i]);
        assertNumbers(first[i], newFirst[i]);
        assertNumbers(second[i], newSecond[i]);
      }
    }
  }

  @Test
  void gradientNorm() {
    double squares = 0;
    for (Tensor gradient : gradients) {
      for (double g : numbers(gradient)) {
        squares += g * g;
      }
    }
    double expected = Math.sqrt(squares);
    Tensor norm = output(1);
    Tensor workspace = workspace(kernels.gradientNormWorkspace(parameters));
    kernels.gradientNorm(parameters, 1, norm, scale, workspace);
    assertNumbers(norm, expected);
    assertNumbers(scale, 1 / (expected + 1e-6));
    kernels.gradientNorm(parameters, 0, norm, scale, workspace);
    assertNumbers(scale, 1);
  }

  @Test
  void refusesBadArguments() {
    Tensor norm = output(1);
    Tensor workspace = workspace(kernels.gradientNormWorkspace(parameters));
    float[] before = values[0].download();
    assertRefused(
        () -> kernels.sgdStep(parameters, RATE, -1, null),
        "sgd_step: momentum: -1, expected 0 <= momentum < 1");
    assertRefused(
        () -> kernels.sgdStep(parameters, Float.NaN, 0, null),
        "sgd_step: learning_rate: nan, expected a finite number");
    assertRefused(
        () -> kernels.sgdStep(parameters, RATE, 0, values[1]),
        "sgd_step: gradient_scale: f32 [7] strides [1], expected 1 element side by side");
    assertRefused(
        () -> kernels.adamwStep(parameters, RATE, 0.9f, 1, 1e-8f, 1, null),
        "adamw_step: beta2: 1, expected 0 <= beta2 < 1");
    assertRefused(
        () -> kernels.adamwStep(parameters, RATE, 0.9f, 0.999f, 0, 1, null),
        "adamw_step: eps: 0, expected more than 0");
    assertRefused(
        () -> kernels.adamwStep(parameters, RATE, 0.9f, 0.999f, 1e-8f, 0, null),
        "adamw_step: step: 0, expected 1 or more");
    assertRefused(
        () -> kernels.gradientNorm(parameters, 1, null, scale, workspace),
        "gradient_norm: norm: NULL, expected a tensor");
    assertRefused(
        () -> kernels.gradientNorm(parameters, 1, norm, norm, workspace),
        "gradient_norm: norm and scale: share memory, expected apart");
    assertWantsScratch(
        "gradient_norm: workspace",
        kernels.gradientNormWorkspace(parameters),
        scratch -> kernels.gradientNorm(parameters, 1, norm, scale, scratch));
    assertRefused(
        () -> kernels.gradientNormWorkspace(new ParameterArray(0)),
        "gradient_norm_workspace: parameters: a list with count 0, expected 1 or more");
    parameters.set(1, values[1], gradients[0], first[1], second[1]);
    assertRefused(
        () -> kernels.sgdStep(parameters, RATE, 0, null),
        "sgd_step: parameters[1].gradient: f32 [3, 5] strides [5, 1], expected 7 elements, as the"
            + " parameter's other tensors");
    Tensor within = values[0].view(1, new long[] {7}, new long[] {1});
    parameters.set(1, within, gradients[1], first[1], second[1]);
    assertRefused(
        () -> kernels.sgdStep(parameters, RATE, 0, null),
        "sgd_step: parameters[0].value and parameters[1].value: share memory, expected apart");
    assertThat(values[0].download()).isEqualTo(before);
  }

  @Test
  void followsTensorsThatAreMoved() {
    Tensor placed = Tensor.unplaced(DType.F32, 7);
    parameters.set(1, placed, gradients[1], first[1], second[1]);
    long bytes = kernels.gradientNormWorkspace(parameters);
    assertThatIllegalStateException()
        .isThrownBy(() -> kernels.sgdStep(parameters, RATE, 0, null))
        .withMessage("tensor f32 [7] has no memory yet, place it first");
    Tensor block = output(64);
    for (long offset : new long[] {64, 128}) {
      placed.place(block, offset);
      kernels.sgdStep(parameters, RATE, 0, null);
      double[] expected = numbers(gradients[1]);
      for (int e = 0; e < expected.length; e++) {
        expected[e] = 1 - RATE * RATE_SCALES[1] * expected[e];
      }
      assertNumbers(placed, expected);
    }
    assertThat(kernels.gradientNormWorkspace(parameters)).isEqualTo(bytes);
  }
}
