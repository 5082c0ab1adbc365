// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import org.junit.jupiter.api.Test;

class LossTest extends KernelsTestCase {
  private static final int BATCH = 2;
  private static final int CHANNELS = 3;
  private static final int PATCH = 2;
  private static final int HEIGHT = 4;
  private static final int WIDTH = 6;
  private static final int S = 2;
  private static final int PIXELS = PATCH * PATCH * CHANNELS;
  private static final float EPS = 0.01f;

  private final Tensor loss = output(1);

  @Test
  void bceWithLogits() {
    Tensor logits = random(1, 3, 5);
    Tensor targets = vector(0, 1, 1, 0, 0, 1, 0, 0.25f, 1, 1, 0, 0, 1, 0.5f, 1).reshape(3, 5);
    double expected = 0;
    double[] gradient = new double[15];
    for (int i = 0; i < 15; i++) {
      double target = numbers(targets)[i];
      double p = 1 / (1 + Math.exp(-numbers(logits)[i]));
      expected -= (target * Math.log(p) + (1 - target) * Math.log(1 - p)) / 15;
      gradient[i] = 2 * (p - target) / 15;
    }
    kernels.bceWithLogitsForward(logits, targets, loss);
    assertNumbers(loss, expected);
    Tensor dLogits = output(3, 5);
    kernels.bceWithLogitsBackward(logits, targets, 2, dLogits);
    assertNumbers(dLogits, gradient);
  }

  @Test
  void bceWithLogitsDoesNotOverflow() {
    Tensor logits = vector(0, 0, 1000, -1000).reshape(2, 2);
    Tensor targets = vector(1, 0, 1, 1).reshape(2, 2);
    kernels.bceWithLogitsForward(logits, targets, loss);
    assertNumbers(loss, (2 * Math.log(2) + 1000) / 4);
    Tensor dLogits = output(2, 2);
    kernels.bceWithLogitsBackward(logits, targets, 2, dLogits);
    assertNumbers(dLogits, -0.25, 0.25, 0, -0.5);
  }

  @Test
  void bceWithLogitsRefusesBadArguments() {
    Tensor logits = random(1, 2, 3);
    Tensor targets = random(2, 2, 3);
    Tensor dLogits = output(2, 3);
    assertRefused(
        () -> kernels.bceWithLogitsForward(logits, vector(1, 0), loss),
        "bce_with_logits_forward: targets: f32 [2] strides [1], expected 2 rows of 3 elements");
    assertRefused(
        () -> kernels.bceWithLogitsForward(logits, targets, dLogits),
        "bce_with_logits_forward: loss: f32 [2, 3] strides [3, 1], expected 1 element side by"
            + " side");
    assertRefused(
        () -> kernels.bceWithLogitsForward(null, targets, loss),
        "bce_with_logits_forward: logits: NULL, expected a tensor");
    assertRefused(
        () -> kernels.bceWithLogitsBackward(logits, targets, 1, targets),
        "bce_with_logits_backward: targets and d_logits: share memory, expected apart");
    assertRefused(
        () -> kernels.bceWithLogitsBackward(logits, targets, 1, output(3, 2)),
        "bce_with_logits_backward: d_logits: f32 [3, 2] strides [2, 1], expected 2 rows of 3"
            + " elements");
    assertRefused(
        () -> kernels.bceWithLogitsBackward(logits, targets, Float.NaN, dLogits),
        "bce_with_logits_backward: d_loss: nan, expected a finite number");
    assertNumbers(loss, 1);
    assertNumbers(dLogits, 1, 1, 1, 1, 1, 1);
  }

  @Test
  void patchMse() {
    Tensor images = random(1, BATCH, CHANNELS, HEIGHT, WIDTH);
    Tensor prediction = random(2, BATCH, S, PIXELS);
    int[][] places = {{5, 0}, {3, 4}};
    Tensor indices = ints(5, 0, 3, 4).reshape(BATCH, S);
    int count = BATCH * S * PIXELS;
    double expected = 0;
    double[] gradient = new double[count];
    for (int b = 0; b < BATCH; b++) {
      for (int s = 0; s < S; s++) {
        double[] target = normalised(patch(numbers(images), b, places[b][s]));
        for (int e = 0; e < PIXELS; e++) {
          int at = (b * S + s) * PIXELS + e;
          double difference = numbers(prediction)[at] - target[e];
          expected += difference * difference / count;
          gradient[at] = 10 * 2 * difference / count;
        }
      }
    }
    Tensor workspace = workspace(kernels.patchMseForwardWorkspace(BATCH, S));
    kernels.patchMseForward(prediction, images, PATCH, indices, EPS, loss, workspace);
    assertNumbers(loss, expected);
    Tensor dPrediction = output(BATCH, S, PIXELS);
    kernels.patchMseBackward(prediction, images, PATCH, indices, EPS, 10, dPrediction);
    assertNumbers(dPrediction, gradient);
  }

  /** A patch's pixels in the order row, column, channel. */
  private static double[] patch(double[] images, int batch, int patch) {
    double[] pixels = new double[PIXELS];
    for (int e = 0; e < PIXELS; e++) {
      int row = patch / (WIDTH / PATCH) * PATCH + e / (PATCH * CHANNELS);
      int column = patch % (WIDTH / PATCH) * PATCH + e / CHANNELS % PATCH;
      pixels[e] = images[((batch * CHANNELS + e % CHANNELS) * HEIGHT + row) * WIDTH + column];
    }
    return pixels;
  }

  private static double[] normalised(double[] pixels) {
    double mean = 0;
    double variance = 0;
    for (double pixel : pixels) {
      mean += pixel / PIXELS;
    }
    for (double pixel : pixels) {
      variance += (pixel - mean) * (pixel - mean) / (PIXELS - 1);
    }
    double[] result = new double[PIXELS];
    for (int e = 0; e < PIXELS; e++) {
      result[e] = (pixels[e] - mean) / Math.sqrt(variance + EPS);
    }
    return result;
  }

  @Test
  void patchMseRefusesBadArguments() {
    Tensor images = random(1, BATCH, CHANNELS, HEIGHT, WIDTH);
    Tensor prediction = random(2, BATCH, S, PIXELS);
    Tensor indices = ints(5, 0, 3, 4).reshape(BATCH, S);
    Tensor outside = ints(5, 0, 3, 6).reshape(BATCH, S);
    Tensor dPrediction = output(BATCH, S, PIXELS);
    Tensor workspace = workspace(kernels.patchMseForwardWorkspace(BATCH, S));
    assertIndicesRefused(
        () -> kernels.patchMseForward(prediction, images, PATCH, outside, EPS, loss, workspace),
        "patch_mse_forward: indices: [1, 1] is 6, expected 0 to 5 (6 patches)");
    assertRefused(
        () -> kernels.patchMseForward(images, images, PATCH, indices, EPS, loss, workspace),
        "patch_mse_forward: prediction: f32 [2, 3, 4, 6] strides [72, 24, 6, 1], expected 4 rows of"
            + " 12 elements");
    assertRefused(
        () -> kernels.patchMseForward(prediction, images, PATCH, indices, -1, loss, workspace),
        "patch_mse_forward: eps: -1, expected a finite number of zero or more");
    assertWantsScratch(
        "patch_mse_forward: workspace",
        kernels.patchMseForwardWorkspace(BATCH, S),
        scratch -> kernels.patchMseForward(prediction, images, PATCH, indices, EPS, loss, scratch));
    assertRefused(
        () -> kernels.patchMseForwardWorkspace(BATCH, 0),
        "patch_mse_forward_workspace: batch, s: 2, 0, expected sizes of a tensor");
    assertRefused(
        () -> kernels.patchMseBackward(prediction, images, 4, indices, EPS, 1, dPrediction),
        "patch_mse_backward: patch: 4, expected a divisor of height 4 and width 6");
    assertIndicesRefused(
        () -> kernels.patchMseBackward(prediction, images, PATCH, outside, EPS, 1, dPrediction),
        "patch_mse_backward: indices: [1, 1] is 6, expected 0 to 5 (6 patches)");
    assertRefused(
        () -> kernels.patchMseBackward(prediction, images, PATCH, indices, EPS, 1, prediction),
        "patch_mse_backward: prediction and d_prediction: share memory, expected apart");
    assertNumbers(loss, 1);
    assertNumbers(dPrediction, numbers(output(dPrediction.sizes())));
  }
}
