// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LoraTest extends KernelsTestCase {
  private static final int M = 5;
  private static final int K = 7;
  private static final int N = 9;
  private static final int RANK = 3;
  private static final float SCALING = 0.5f;
  private static final List<Lora.Group> GROUPS =
      List.of(new Lora.Group(1, 3), new Lora.Group(5, 4));

  /** The group of an output column, -1 for none; and its row of b. */
  private static final int[] GROUP = {-1, 0, 0, 0, -1, 1, 1, 1, 1};

  private static final int[] ROW_OF_B = {-1, 0, 1, 2, -1, 3, 4, 5, 6};

  private final Tensor x = random(1, M, K);
  private final Tensor w = random(2, N, K);
  private final Tensor bias = random(3, N);
  private final Tensor a = random(4, 2 * RANK, K);
  private final Tensor b = random(5, 7, RANK);
  private final Tensor dy = random(6, M, N);
  private final Weight weight = plain(w);
  private final RandomKey key = new RandomKey(11, 3);
  private final Tensor h = output(M, 2 * RANK);
  private final Tensor y = output(M, N);

  private Lora lora(float dropout) {
    return new Lora(a, b, GROUPS, RANK, SCALING, dropout, key);
  }

  private void forward(Lora lora, Tensor bias, Tensor h, Tensor y) {
    Tensor workspace = workspace(kernels.loraLinearForwardWorkspace(M, weight, lora));
    kernels.loraLinearForward(x, weight, bias, lora, null, h, y, workspace);
  }

  /** mask ∘ x, the mask drawn by randomUniform. */
  private double[] kept(float dropout) {
    Tensor uniform = output(M * K);
    kernels.randomUniform(key, uniform);
    double[] kept = numbers(x);
    for (int e = 0; e < kept.length; e++) {
      kept[e] = numbers(uniform)[e] >= dropout ? kept[e] : 0;
    }
    return kept;
  }

  private double[] expectedH(double[] kept, float dropout) {
    double[] expected = new double[M * 2 * RANK];
    for (int i = 0; i < M; i++) {
      for (int r = 0; r < 2 * RANK; r++) {
        for (int k = 0; k < K; k++) {
          expected[i * 2 * RANK + r] +=
              SCALING / (1.0 - dropout) * kept[i * K + k] * numbers(a)[r * K + k];
        }
      }
    }
    return expected;
  }

  @ParameterizedTest
  @ValueSource(floats = {0, 0.25f})
  void forward(float dropout) {
    key.step(5);
    double[] expectedH = expectedH(kept(dropout), dropout);
    double[] expected = new double[M * N];
    for (int i = 0; i < M; i++) {
      for (int j = 0; j < N; j++) {
        double sum = numbers(bias)[j];
        for (int k = 0; k < K; k++) {
          sum += numbers(x)[i * K + k] * numbers(w)[j * K + k];
        }
        for (int r = 0; r < RANK && GROUP[j] >= 0; r++) {
          sum += expectedH[(i * 2 + GROUP[j]) * RANK + r] * numbers(b)[ROW_OF_B[j] * RANK + r];
        }
        expected[i * N + j] = sum;
      }
    }
    forward(lora(dropout), bias, h, y);
    assertNumbers(h, expectedH);
    assertNumbers(y, expected);
    Tensor again = output(M, N);
    forward(lora(dropout), bias, null, again);
    assertThat(again.download()).isEqualTo(y.download());
  }

  @ParameterizedTest
  @ValueSource(floats = {0, 0.25f})
  void backward(float dropout) {
    key.step(6);
    double[] kept = kept(dropout);
    double[] expectedH = expectedH(kept, dropout);
    double[] dH = new double[M * 2 * RANK];
    double[] dX = new double[M * K];
    double[] dA = new double[2 * RANK * K];
    double[] dB = new double[7 * RANK];
    double[] dWeight = new double[N * K];
    double[] dBias = new double[N];
    for (int i = 0; i < M; i++) {
      for (int j = 0; j < N; j++) {
        double g = numbers(dy)[i * N + j];
        dBias[j] += g;
        for (int k = 0; k < K; k++) {
          dX[i * K + k] += g * numbers(w)[j * K + k];
          dWeight[j * K + k] += g * numbers(x)[i * K + k];
        }
        for (int r = 0; r < RANK && GROUP[j] >= 0; r++) {
          int atH = (i * 2 + GROUP[j]) * RANK + r;
          int atB = ROW_OF_B[j] * RANK + r;
          dH[atH] += SCALING / (1.0 - dropout) * g * numbers(b)[atB];
          dB[atB] += g * expectedH[atH];
        }
      }
      for (int r = 0; r < 2 * RANK; r++) {
        for (int k = 0; k < K; k++) {
          int at = i * K + k;
          dA[r * K + k] += dH[i * 2 * RANK + r] * kept[at];
          dX[at] += kept[at] == 0 ? 0 : dH[i * 2 * RANK + r] * numbers(a)[r * K + k];
        }
      }
    }
    Lora lora = lora(dropout);
    forward(lora, bias, h, y);
    Tensor workspace = workspace(kernels.loraLinearBackwardWorkspace(M, weight, lora));
    Tensor[] gradients = {
      output(M, K), output(2 * RANK, K), output(7, RANK), output(N, K), output(N)
    };
    double[][] expected = {dX, dA, dB, dWeight, dBias};
    LinearBackwardOptions options = new LinearBackwardOptions();
    for (int times = 1; times <= 2; times++) {
      kernels.loraLinearBackward(
          dy,
          x,
          weight,
          lora,
          h,
          options,
          gradients[0],
          gradients[1],
          gradients[2],
          gradients[3],
          gradients[4],
          workspace);
      for (int g = 0; g < gradients.length; g++) {
        assertNumbers(gradients[g], times(times, expected[g]));
      }
      options.flags(Kernels.ADD_TO_D_X | Kernels.ADD_TO_PARAMETERS);
    }
  }

  @Test
  void workspacesNeedNoMemoryYet() {
    Weight unprepared = new Weight(Weight.Format.PACKED, N, K);
    Lora unplaced =
        new Lora(
            Tensor.unplaced(DType.F32, 2 * RANK, K),
            Tensor.unplaced(DType.F32, 7, RANK),
            GROUPS,
            RANK,
            SCALING,
            0,
            null);
    Weight packed = new Weight(Weight.Format.PACKED, N, K);
    kernels.weightPrepare(w, workspace(kernels.weightPrepareBytes(w, packed.format())), packed);
    assertThat(kernels.loraLinearForwardWorkspace(9, unprepared, unplaced))
        .isPositive()
        .isEqualTo(kernels.loraLinearForwardWorkspace(9, packed, lora(0)));
    assertThat(kernels.loraLinearBackwardWorkspace(9, unprepared, unplaced))
        .isPositive()
        .isEqualTo(kernels.loraLinearBackwardWorkspace(9, packed, lora(0)));
  }

  @Test
  void refusesBadArguments() {
    assertRefused(
        () -> kernels.loraLinearForward(x, weight, null, null, null, h, y, null),
        "lora_linear_forward: lora: NULL, expected an lk_lora");
    assertRefused(
        () -> forward(lora(0), bias, output(M, RANK), y),
        "lora_linear_forward: h: f32 [5, 3] strides [3, 1], expected 5 rows of 6 elements");
    assertRefused(
        () -> forward(lora(0), bias, h, output(M, K)),
        "lora_linear_forward: y: f32 [5, 7] strides [7, 1], expected 5 rows of 9 elements");
    assertRefused(
        () -> forward(lora(1), bias, h, y),
        "lora_linear_forward: lora.dropout: 1, expected 0 <= p < 1");
    Lora overlapping =
        new Lora(a, b, List.of(new Lora.Group(0, 3), new Lora.Group(2, 4)), RANK, 1, 0, null);
    assertRefused(
        () -> kernels.loraLinearForwardWorkspace(M, weight, overlapping),
        "lora_linear_forward_workspace: lora.group[1]: 4 columns from 2 on, expected one or more"
            + " between 3 and the weight's 9");
    Lora swapped = new Lora(b, a, GROUPS, RANK, 1, 0, null);
    assertRefused(
        () -> forward(swapped, bias, h, y),
        "lora_linear_forward: lora.a: f32 [7, 3] strides [3, 1], expected 6 rows of 7 elements");
    assertWantsScratch(
        "lora_linear_forward: workspace",
        kernels.loraLinearForwardWorkspace(M, weight, lora(0)),
        scratch -> kernels.loraLinearForward(x, weight, null, lora(0), null, h, y, scratch));
    Tensor dA = output(2 * RANK, K);
    Tensor dB = output(7, RANK);
    assertWantsScratch(
        "lora_linear_backward: workspace",
        kernels.loraLinearBackwardWorkspace(M, weight, lora(0)),
        scratch ->
            kernels.loraLinearBackward(
                dy, x, weight, lora(0), h, null, null, dA, dB, null, null, scratch));
    assertRefused(
        () ->
            kernels.loraLinearBackward(
                dy, x, weight, lora(0), h, null, null, a, dB, null, null, null),
        "lora_linear_backward: lora.a and d_a: share memory, expected apart");
    assertRefused(
        () ->
            kernels.loraLinearBackward(
                dy, x, weight, lora(0), null, null, null, null, null, null, null, null),
        "lora_linear_backward: h: NULL, expected a tensor");
    assertNumbers(y, numbers(output(M, N)));
    assertNumbers(dA, numbers(output(2 * RANK, K)));
    assertThatIllegalArgumentException()
        .isThrownBy(
            () -> new Lora(a, b, Collections.nCopies(9, new Lora.Group(0, 1)), 1, 1, 0, null))
        .withMessage("9 groups, expected 1 to 8");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Lora(a, b, GROUPS, 1, 1, 0.1f, null))
        .withMessage("dropout 0.1 without a random key");
  }
}
