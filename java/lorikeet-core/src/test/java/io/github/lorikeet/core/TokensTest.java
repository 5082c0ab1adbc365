// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import org.junit.jupiter.api.Test;

class TokensTest extends KernelsTestCase {
  private static final int BATCH = 2;
  private static final int TOKENS = 5;
  private static final int S = 2;
  private static final int K = 3;

  private final Tensor all = random(1, BATCH, TOKENS, K);
  private final Tensor some = random(2, BATCH, S, K);
  private final int[][] places = {{4, 1}, {0, 3}};
  private final Tensor indices = ints(4, 1, 0, 3).reshape(BATCH, S);

  private static int atAll(int batch, int token, int k) {
    return (batch * TOKENS + token) * K + k;
  }

  private static int atSome(int batch, int s, int k) {
    return (batch * S + s) * K + k;
  }

  @Test
  void meanPool() {
    int left = TOKENS - 1;
    double[] means = new double[BATCH * K];
    double[] shares = new double[BATCH * TOKENS * K];
    Tensor dy = random(3, BATCH, K);
    for (int b = 0; b < BATCH; b++) {
      for (int t = 1; t < TOKENS; t++) {
        for (int k = 0; k < K; k++) {
          means[b * K + k] += numbers(all)[atAll(b, t, k)] / left;
          shares[atAll(b, t, k)] = numbers(dy)[b * K + k] / left;
        }
      }
    }
    Tensor y = output(BATCH, K);
    kernels.meanPoolForward(all, 1, y);
    assertNumbers(y, means);
    Tensor dX = output(BATCH, TOKENS, K);
    kernels.meanPoolBackward(dy, 1, dX);
    assertNumbers(dX, shares);
  }

  @Test
  void meanPoolRefusesBadArguments() {
    Tensor y = output(BATCH, K);
    Tensor dX = output(BATCH, TOKENS, K);
    assertRefused(
        () -> kernels.meanPoolForward(all, 5, y),
        "mean_pool_forward: first_token: 5, expected 0 to 4 (5 tokens)");
    assertRefused(
        () -> kernels.meanPoolForward(all, 0, all),
        "mean_pool_forward: y: f32 [2, 5, 3] strides [15, 3, 1], expected 2 rows of 3 elements");
    assertRefused(
        () -> kernels.meanPoolForward(y, 0, y),
        "mean_pool_forward: x: f32 [2, 3] strides [3, 1], expected [any, any, any], not empty, last"
            + " stride 1");
    assertRefused(
        () -> kernels.meanPoolBackward(y, -1, dX),
        "mean_pool_backward: first_token: -1, expected 0 to 4 (5 tokens)");
    assertRefused(
        () -> kernels.meanPoolBackward(some, 0, dX),
        "mean_pool_backward: dy: f32 [2, 2, 3] strides [6, 3, 1], expected 2 rows of 3 elements");
    assertNumbers(dX, numbers(output(dX.sizes())));
  }

  @Test
  void tokenGather() {
    double[] gathered = new double[BATCH * S * K];
    double[] scattered = new double[BATCH * TOKENS * K];
    for (int b = 0; b < BATCH; b++) {
      for (int s = 0; s < S; s++) {
        for (int k = 0; k < K; k++) {
          gathered[atSome(b, s, k)] = numbers(all)[atAll(b, places[b][s], k)];
          scattered[atAll(b, places[b][s], k)] = numbers(some)[atSome(b, s, k)];
        }
      }
    }
    Tensor y = output(BATCH, S, K);
    kernels.tokenGatherForward(all, indices, y);
    assertNumbers(y, gathered);
    Tensor dX = output(BATCH, TOKENS, K);
    kernels.tokenGatherBackward(some, indices, dX);
    assertNumbers(dX, scattered);
  }

  @Test
  void tokenGatherRefusesBadArguments() {
    Tensor y = output(BATCH, S, K);
    Tensor dX = output(BATCH, TOKENS, K);
    assertIndicesRefused(
        () -> kernels.tokenGatherForward(all, ints(0, 1, 2, 5).reshape(BATCH, S), y),
        "token_gather_forward: indices: [1, 1] is 5, expected 0 to 4 (5 tokens)");
    assertRefused(
        () -> kernels.tokenGatherForward(all, ints(0, 1), y),
        "token_gather_forward: indices: i32 [2] strides [1], expected i32 [2, any], not empty");
    assertRefused(
        () -> kernels.tokenGatherForward(all, indices, all),
        "token_gather_forward: y: f32 [2, 5, 3] strides [15, 3, 1], expected [2, 2, 3], not empty,"
            + " last stride 1");
    assertRefused(
        () -> kernels.tokenGatherForward(all, some, y),
        "token_gather_forward: indices: f32 [2, 2, 3] strides [6, 3, 1], expected i32 [2, any], not"
            + " empty");
    assertIndicesRefused(
        () -> kernels.tokenGatherBackward(some, ints(0, 1, 2, 2).reshape(BATCH, S), dX),
        "token_gather_backward: indices: [1, 1] is 2 for the second time, expected distinct"
            + " tokens");
    assertRefused(
        () -> kernels.tokenGatherBackward(all, indices, dX),
        "token_gather_backward: dy: f32 [2, 5, 3] strides [15, 3, 1], expected [2, 2, 3], not"
            + " empty, last stride 1");
    assertNumbers(y, numbers(output(y.sizes())));
    assertNumbers(dX, numbers(output(dX.sizes())));
  }

  @Test
  void tokenScatter() {
    Tensor fill = random(3, K);
    Tensor position = random(4, TOKENS, K);
    double[] expected = new double[BATCH * TOKENS * K];
    double[] expectedDX = new double[BATCH * S * K];
    double[] expectedDFill = new double[K];
    for (int b = 0; b < BATCH; b++) {
      for (int t = 0; t < TOKENS; t++) {
        int s = places[b][0] == t ? 0 : places[b][1] == t ? 1 : -1;
        for (int k = 0; k < K; k++) {
          expected[atAll(b, t, k)] =
              numbers(position)[t * K + k]
                  + (s < 0 ? numbers(fill)[k] : numbers(some)[atSome(b, s, k)]);
          if (s < 0) {
            expectedDFill[k] += numbers(all)[atAll(b, t, k)];
          } else {
            expectedDX[atSome(b, s, k)] = numbers(all)[atAll(b, t, k)];
          }
        }
      }
    }
    Tensor y = output(BATCH, TOKENS, K);
    Tensor workspace = workspace(kernels.tokenScatterForwardWorkspace(BATCH, TOKENS));
    kernels.tokenScatterForward(some, indices, fill, position, y, workspace);
    assertNumbers(y, expected);
    Tensor dX = output(BATCH, S, K);
    Tensor dFill = output(K);
    Tensor scratch = workspace(kernels.tokenScatterBackwardWorkspace(BATCH, TOKENS, K));
    kernels.tokenScatterBackward(all, indices, 0, dX, dFill, scratch);
    assertNumbers(dX, expectedDX);
    assertNumbers(dFill, expectedDFill);
    kernels.tokenScatterBackward(all, indices, Kernels.ADD_TO_PARAMETERS, null, dFill, scratch);
    assertNumbers(dFill, times(2, expectedDFill));
  }

  @Test
  void tokenScatterRefusesBadArguments() {
    Tensor fill = random(3, K);
    Tensor y = output(BATCH, TOKENS, K);
    Tensor dX = output(BATCH, S, K);
    Tensor workspace = workspace(kernels.tokenScatterForwardWorkspace(BATCH, TOKENS));
    Tensor scratch = workspace(kernels.tokenScatterBackwardWorkspace(BATCH, TOKENS, K));
    assertRefused(
        () -> kernels.tokenScatterForward(some, indices, null, null, y, workspace),
        "token_scatter_forward: fill: NULL, expected a tensor");
    assertRefused(
        () -> kernels.tokenScatterForward(some, indices, fill, some, y, workspace),
        "token_scatter_forward: position: f32 [2, 2, 3] strides [6, 3, 1], expected 5 rows of 3"
            + " elements");
    assertWantsScratch(
        "token_scatter_forward: workspace",
        kernels.tokenScatterForwardWorkspace(BATCH, TOKENS),
        given -> kernels.tokenScatterForward(some, indices, fill, null, y, given));
    assertIndicesRefused(
        () ->
            kernels.tokenScatterForward(
                some, ints(0, 1, 3, 3).reshape(BATCH, S), fill, null, y, workspace),
        "token_scatter_forward: indices: [1, 1] is 3 for the second time, expected distinct"
            + " tokens");
    assertRefused(
        () -> kernels.tokenScatterBackward(all, indices, 0, null, null, scratch),
        "token_scatter_backward: d_x, d_fill: both NULL, expected one at least");
    assertRefused(
        () -> kernels.tokenScatterBackward(all, indices, 1, dX, null, scratch),
        "token_scatter_backward: flags: 1, expected 0 or LK_ADD_TO_PARAMETERS");
    assertWantsScratch(
        "token_scatter_backward: workspace",
        kernels.tokenScatterBackwardWorkspace(BATCH, TOKENS, K),
        given -> kernels.tokenScatterBackward(all, indices, 0, dX, fill, given));
    assertRefused(
        () -> kernels.tokenScatterBackward(all, indices, 0, all, null, scratch),
        "token_scatter_backward: d_x: f32 [2, 5, 3] strides [15, 3, 1], expected [2, 2, 3], not"
            + " empty, last stride 1");
    assertRefused(
        () -> kernels.tokenScatterForwardWorkspace(0, TOKENS),
        "token_scatter_forward_workspace: batch, tokens, k: 0, 5, 1, expected sizes of a tensor");
    assertRefused(
        () -> kernels.tokenScatterBackwardWorkspace(BATCH, TOKENS, -1),
        "token_scatter_backward_workspace: batch, tokens, k: 2, 5, -1, expected sizes of a tensor");
    assertNumbers(y, numbers(output(y.sizes())));
    assertNumbers(dX, numbers(output(dX.sizes())));
  }
}
