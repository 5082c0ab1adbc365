// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class AttentionTest extends KernelsTestCase {
  private static final int BATCH = 2;
  private static final int TOKENS = 5;
  private static final int HEADS = 3;
  private static final int D = 7;
  private static final float SCALE = 0.6f;

  private final Tensor qkv = random(1, BATCH, TOKENS, 3, HEADS, D);
  private final Tensor dOut = random(2, BATCH, TOKENS, HEADS, D);
  private final Tensor out = output(BATCH, TOKENS, HEADS, D);
  private final Tensor logSumExp = output(BATCH, HEADS, TOKENS);
  private final double[] numbers = numbers(qkv);

  /** The number of dimension c of a head's q (part 0), k (1) or v (2). */
  private static int at(int batch, int token, int part, int head, int c) {
    return (((batch * TOKENS + token) * 3 + part) * HEADS + head) * D + c;
  }

  private static int atOut(int batch, int token, int head, int c) {
    return ((batch * TOKENS + token) * HEADS + head) * D + c;
  }

  /** exp(scale q·k) for each key of a query. */
  private double[] exponentials(int batch, int head, int query) {
    double[] result = new double[TOKENS];
    for (int t = 0; t < TOKENS; t++) {
      double product = 0;
      for (int c = 0; c < D; c++) {
        product += numbers[at(batch, query, 0, head, c)] * numbers[at(batch, t, 1, head, c)];
      }
      result[t] = Math.exp(SCALE * product);
    }
    return result;
  }

  private static double sum(double[] numbers) {
    return Arrays.stream(numbers).sum();
  }

  private void forward(Tensor logSumExp) {
    Tensor workspace = workspace(kernels.attentionForwardWorkspace(qkv));
    kernels.attentionForward(qkv, SCALE, out, logSumExp, workspace);
  }

  @Test
  void forward() {
    double[] expected = new double[BATCH * TOKENS * HEADS * D];
    double[] expectedSums = new double[BATCH * HEADS * TOKENS];
    for (int b = 0; b < BATCH; b++) {
      for (int h = 0; h < HEADS; h++) {
        for (int i = 0; i < TOKENS; i++) {
          double[] e = exponentials(b, h, i);
          expectedSums[(b * HEADS + h) * TOKENS + i] = Math.log(sum(e));
          for (int t = 0; t < TOKENS; t++) {
            for (int c = 0; c < D; c++) {
              expected[atOut(b, i, h, c)] += e[t] / sum(e) * numbers[at(b, t, 2, h, c)];
            }
          }
        }
      }
    }
    forward(logSumExp);
    assertNumbers(out, expected);
    assertNumbers(logSumExp, expectedSums);
    float[] bits = out.download();
    forward(null);
    assertThat(out.download()).isEqualTo(bits);
  }

  @Test
  void backward() {
    forward(logSumExp);
    double[] o = numbers(out);
    double[] dO = numbers(dOut);
    double[] expected = new double[numbers.length];
    for (int b = 0; b < BATCH; b++) {
      for (int h = 0; h < HEADS; h++) {
        for (int i = 0; i < TOKENS; i++) {
          double[] e = exponentials(b, h, i);
          for (int t = 0; t < TOKENS; t++) {
            double p = e[t] / sum(e);
            double ds = 0;
            for (int c = 0; c < D; c++) {
              double g = dO[atOut(b, i, h, c)];
              expected[at(b, t, 2, h, c)] += p * g;
              ds += p * g * (numbers[at(b, t, 2, h, c)] - o[atOut(b, i, h, c)]);
            }
            for (int c = 0; c < D; c++) {
              expected[at(b, i, 0, h, c)] += SCALE * ds * numbers[at(b, t, 1, h, c)];
              expected[at(b, t, 1, h, c)] += SCALE * ds * numbers[at(b, i, 0, h, c)];
            }
          }
        }
      }
    }
    Tensor dQkv = output(BATCH, TOKENS, 3, HEADS, D);
    Tensor workspace = workspace(kernels.attentionBackwardWorkspace(qkv));
    kernels.attentionBackward(qkv, SCALE, out, logSumExp, dOut, dQkv, workspace);
    assertNumbers(dQkv, expected);
  }

  @Test
  void workspacesNeedNoMemoryYet() {
    Tensor unplaced = Tensor.unplaced(DType.F32, qkv.sizes());
    assertThat(kernels.attentionForwardWorkspace(unplaced))
        .isGreaterThanOrEqualTo(TestDevices.isCpu() ? 1 : 0)
        .isEqualTo(kernels.attentionForwardWorkspace(qkv));
    assertThat(kernels.attentionBackwardWorkspace(unplaced))
        .isGreaterThanOrEqualTo(TestDevices.isCpu() ? 1 : 0)
        .isEqualTo(kernels.attentionBackwardWorkspace(qkv));
  }

  @Test
  void refusesBadArguments() {
    Tensor packed = qkv.reshape(BATCH, TOKENS, 3L * HEADS * D);
    assertRefused(
        () -> kernels.attentionForward(packed, 1, out, null, null),
        "attention_forward: qkv: f32 [2, 5, 63] strides [315, 63, 1], expected [any, any, 3, any,"
            + " any], not empty, last stride 1");
    assertRefused(
        () -> kernels.attentionForward(qkv, Float.NaN, out, null, null),
        "attention_forward: scale: nan, expected a finite number");
    assertRefused(
        () -> kernels.attentionForward(qkv, 1, qkv, null, null),
        "attention_forward: out: f32 [2, 5, 3, 3, 7] strides [315, 63, 21, 7, 1], expected [2, 5,"
            + " 3, 7], not empty, last stride 1");
    assertWantsScratch(
        "attention_forward: workspace",
        kernels.attentionForwardWorkspace(qkv),
        workspace -> kernels.attentionForward(qkv, 1, out, logSumExp, workspace));
    assertRefused(
        () -> kernels.attentionBackward(qkv, 1, out, null, dOut, output(qkv.sizes()), null),
        "attention_backward: log_sum_exp: NULL, expected a tensor");
    assertRefused(
        () -> kernels.attentionBackward(qkv, 1, out, logSumExp, dOut, qkv, null),
        "attention_backward: qkv and d_qkv: share memory, expected apart");
    Tensor dQkv = output(qkv.sizes());
    assertWantsScratch(
        "attention_backward: workspace",
        kernels.attentionBackwardWorkspace(qkv),
        workspace -> kernels.attentionBackward(qkv, 1, out, logSumExp, dOut, dQkv, workspace));
    assertRefused(
        () -> kernels.attentionForwardWorkspace(out),
        "attention_forward_workspace: qkv: f32 [2, 5, 3, 7] strides [105, 21, 7, 1], expected [any,"
            + " any, 3, any, any], not empty, last stride 1");
    assertRefused(
        () -> kernels.attentionBackwardWorkspace(null),
        "attention_backward_workspace: qkv: NULL, expected a tensor");
    assertNumbers(out, numbers(output(out.sizes())));
    assertNumbers(dQkv, numbers(output(dQkv.sizes())));
  }
}
