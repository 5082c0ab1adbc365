// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class LinearTest extends KernelsTestCase {
  private static final int M = 6;
  private static final int N = 5;
  private static final int K = 7;

  private final Tensor x = random(1, M, K);
  private final Tensor w = random(2, N, K);
  private final Tensor bias = random(3, N);
  private final Tensor dy = random(4, M, N);

  /** One entry for every two rows. */
  private final Tensor rowScale = vector(2, 0, -0.5f);

  private Weight prepared(Weight.Format format) {
    Weight weight = new Weight(format, N, K);
    kernels.weightPrepare(w, workspace(kernels.weightPrepareBytes(w, format)), weight);
    return weight;
  }

  @Test
  void plainWeightsNeedNoStorage() {
    assertThat(kernels.weightPrepareBytes(w, Weight.Format.PLAIN)).isZero();
    assertThat(kernels.weightPrepareBytes(w, Weight.Format.PACKED))
        .isGreaterThanOrEqualTo(w.bytes());
    assertThat(plain(w).format()).isEqualTo(Weight.Format.PLAIN);
  }

  @ParameterizedTest
  @EnumSource
  void forward(Weight.Format format) {
    double[] z = new double[M * N];
    double[] expected = new double[M * N];
    Tensor residual = random(5, M, N);
    for (int i = 0; i < M; i++) {
      for (int j = 0; j < N; j++) {
        int at = i * N + j;
        z[at] = numbers(bias)[j];
        for (int k = 0; k < K; k++) {
          z[at] += numbers(x)[i * K + k] * numbers(w)[j * K + k];
        }
        expected[at] = numbers(residual)[at] + numbers(rowScale)[i / 2] * z[at] * normalCdf(z[at]);
      }
    }
    // Asked before anything is prepared, as when memory is planned.
    Tensor workspace = workspace(kernels.linearForwardWorkspace(M, new Weight(format, N, K)));
    Weight weight = prepared(format);
    Tensor y = output(M, N);
    kernels.linearForward(x, weight, bias, null, y, workspace);
    assertNumbers(y, z);
    Tensor preActivation = output(M, N);
    Epilogue epilogue =
        new Epilogue()
            .preActivation(preActivation)
            .activation(Activation.GELU)
            .rowScale(rowScale)
            .residual(residual);
    kernels.linearForward(x, weight, bias, epilogue, y, workspace);
    assertNumbers(preActivation, z);
    assertNumbers(y, expected);
    kernels.linearForward(x, weight, bias, epilogue, residual, workspace);
    assertNumbers(residual, expected);
  }

  @ParameterizedTest
  @EnumSource
  void backward(Weight.Format format) {
    double[] dX = new double[M * K];
    double[] dWeight = new double[N * K];
    double[] dBias = new double[N];
    for (int i = 0; i < M; i++) {
      for (int j = 0; j < N; j++) {
        double g = numbers(rowScale)[i / 2] * numbers(dy)[i * N + j];
        dBias[j] += g;
        for (int k = 0; k < K; k++) {
          dX[i * K + k] += g * numbers(w)[j * K + k];
          dWeight[j * K + k] += g * numbers(x)[i * K + k];
        }
      }
    }
    Tensor workspace = workspace(kernels.linearBackwardWorkspace(M, new Weight(format, N, K)));
    Weight weight = prepared(format);
    Tensor actualDX = output(M, K);
    Tensor actualDWeight = output(N, K);
    Tensor actualDBias = output(N);
    LinearBackwardOptions options = new LinearBackwardOptions().rowScale(rowScale);
    for (int times = 1; times <= 2; times++) {
      kernels.linearBackward(
          dy, x, weight, options, actualDX, actualDWeight, actualDBias, workspace);
      assertNumbers(actualDX, times(times, dX));
      assertNumbers(actualDWeight, times(times, dWeight));
      assertNumbers(actualDBias, times(times, dBias));
      options.flags(Kernels.ADD_TO_D_X | Kernels.ADD_TO_PARAMETERS);
    }
    Tensor z = random(5, M, K);
    for (int i = 0; i < dX.length; i++) {
      double zi = numbers(z)[i];
      dX[i] *= normalCdf(zi) + zi * normalDensity(zi);
    }
    options.flags(0).xPreActivation(z);
    kernels.linearBackward(dy, null, weight, options, actualDX, null, null, workspace);
    assertNumbers(actualDX, dX);
  }

  @Test
  void forwardRefusesBadArguments() {
    Weight weight = plain(w);
    Tensor y = output(M, N);
    long bytes = kernels.linearForwardWorkspace(M, weight);
    Tensor workspace = workspace(bytes);
    assertRefused(
        () -> kernels.linearForward(x, null, bias, null, y, workspace),
        "linear_forward: w: NULL, expected a weight");
    assertRefused(
        () -> kernels.linearForward(dy, weight, bias, null, y, workspace),
        "linear_forward: x: f32 [6, 5] strides [5, 1], expected any rows of 7 elements");
    assertRefused(
        () -> kernels.linearForward(x, weight, rowScale, null, y, workspace),
        "linear_forward: bias: f32 [3] strides [1], expected 5 elements side by side");
    assertRefused(
        () -> kernels.linearForward(x, weight, bias, null, x, workspace),
        "linear_forward: y: f32 [6, 7] strides [7, 1], expected 6 rows of 5 elements");
    Epilogue uneven = new Epilogue().rowScale(vector(1, 2, 3, 4));
    assertRefused(
        () -> kernels.linearForward(x, weight, bias, uneven, y, workspace),
        "linear_forward: row_scale: 4 entries, expected a divisor of the 6 rows");
    Epilogue square = new Epilogue().rowScale(vector(1, 2, 3, 4).reshape(2, 2));
    assertRefused(
        () -> kernels.linearForward(x, weight, bias, square, y, workspace),
        "linear_forward: row_scale: f32 [2, 2] strides [2, 1], expected any elements side by"
            + " side");
    Epilogue twice = new Epilogue().preActivation(y);
    assertRefused(
        () -> kernels.linearForward(x, weight, bias, twice, y, workspace),
        "linear_forward: y and pre_activation: share memory, expected apart");
    assertWantsScratch(
        "linear_forward: workspace",
        bytes,
        scratch -> kernels.linearForward(x, weight, bias, null, y, scratch));
    assertRefused(
        () -> kernels.linearForwardWorkspace(0, weight),
        "linear_forward_workspace: m: 0, expected 1 to 2^40");
    assertNumbers(y, numbers(output(M, N)));
  }

  @Test
  void backwardRefusesBadArguments() {
    Weight weight = plain(w);
    Tensor dX = output(M, K);
    long bytes = kernels.linearBackwardWorkspace(M, weight);
    Tensor workspace = workspace(bytes);
    assertRefused(
        () -> kernels.linearBackward(dy, x, weight, null, null, null, null, workspace),
        "linear_backward: d_x, d_weight, d_bias: all NULL, expected at least one");
    assertRefused(
        () -> kernels.linearBackward(dy, null, weight, null, null, w, null, workspace),
        "linear_backward: x: NULL, expected the input for d_weight");
    assertRefused(
        () -> kernels.linearBackward(dX, x, weight, null, dX, null, null, workspace),
        "linear_backward: dy: f32 [6, 7] strides [7, 1], expected any rows of 5 elements");
    assertRefused(
        () -> kernels.linearBackward(dy, x, weight, null, dX, dX, null, workspace),
        "linear_backward: d_weight: f32 [6, 7] strides [7, 1], expected 5 rows of 7 elements");
    assertRefused(
        () -> kernels.linearBackward(dy, x, weight, null, x, null, null, workspace),
        "linear_backward: x and d_x: share memory, expected apart");
    assertWantsScratch(
        "linear_backward: workspace",
        bytes,
        scratch -> kernels.linearBackward(dy, x, weight, null, dX, null, null, scratch));
    assertRefused(
        () -> kernels.linearBackwardWorkspace(0, weight),
        "linear_backward_workspace: m: 0, expected 1 to 2^40");
    assertNumbers(dX, numbers(output(M, K)));
  }

  @Test
  void prepareRefusesBadArguments() {
    Weight packed = new Weight(Weight.Format.PACKED, N, K);
    assertWantsScratch(
        "weight_prepare: storage",
        kernels.weightPrepareBytes(w, packed.format()),
        storage -> kernels.weightPrepare(w, storage, packed));
    assertRefused(
        () -> kernels.weightPrepare(w, bias, new Weight(Weight.Format.PLAIN, N, K)),
        "weight_prepare: storage: given, expected NULL for LK_WEIGHT_PLAIN");
    assertRefused(
        () -> kernels.weightPrepareBytes(null, Weight.Format.PACKED),
        "weight_prepare_bytes: w: NULL, expected a tensor");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> kernels.weightPrepare(dy, null, packed))
        .withMessage("w: f32 [6, 5], expected the rows of weight f32 [5, 7]");
  }

  @Test
  void weightsAreUsedAsPrepared() {
    Tensor y = output(M, N);
    Weight weight = new Weight(Weight.Format.PLAIN, N, K);
    assertThatIllegalStateException()
        .isThrownBy(() -> kernels.linearForward(x, weight, bias, null, y, null))
        .withMessage("weight f32 [5, 7] is not prepared");
    Tensor placed = Tensor.unplaced(DType.F32, N, K);
    Tensor block = empty(DType.U8, 256);
    placed.place(block, 0);
    kernels.weightPrepare(placed, null, weight);
    placed.place(block, 64);
    assertThatIllegalStateException()
        .isThrownBy(() -> kernels.linearForward(x, weight, bias, null, y, null))
        .withMessage("weight f32 [5, 7]: its memory was placed elsewhere, prepare it again");
    block.close();
    assertThatIllegalStateException()
        .isThrownBy(() -> kernels.linearForward(x, weight, bias, null, y, null))
        .withMessage("tensor u8 [256] is closed");
  }
}
