// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PatchEmbedTest extends KernelsTestCase {
  private static final int BATCH = 2;
  private static final int CHANNELS = 2;
  private static final int PATCH = 3;
  private static final int HEIGHT = 6;
  private static final int WIDTH = 9;
  private static final int N = 5;
  private static final int PATCHES = 6;
  private static final int PIXELS = CHANNELS * PATCH * PATCH;

  private final Tensor images = random(1, BATCH, CHANNELS, HEIGHT, WIDTH);
  private final Tensor w = random(2, N, PIXELS);
  private final Tensor bias = random(3, N);
  private final Tensor position = random(4, PATCHES + 1, N);
  private final Tensor classToken = random(5, N);
  private final Tensor dy = random(6, BATCH, PATCHES + 1, N);
  private final Weight weight = plain(w);

  /** Pixel e of a patch, in the weight's order: channel, row, column. */
  private static double pixel(double[] images, int batch, int patch, int e) {
    int channel = e / (PATCH * PATCH);
    int row = patch / (WIDTH / PATCH) * PATCH + e / PATCH % PATCH;
    int column = patch % (WIDTH / PATCH) * PATCH + e % PATCH;
    return images[((batch * CHANNELS + channel) * HEIGHT + row) * WIDTH + column];
  }

  @Test
  void forward() {
    double[] products = new double[BATCH * PATCHES * N];
    double[] expected = new double[BATCH * (PATCHES + 1) * N];
    for (int b = 0; b < BATCH; b++) {
      for (int j = 0; j < N; j++) {
        int first = b * (PATCHES + 1) * N + j;
        expected[first] = numbers(classToken)[j] + numbers(position)[j];
        for (int t = 0; t < PATCHES; t++) {
          double product = 0;
          for (int e = 0; e < PIXELS; e++) {
            product += pixel(numbers(images), b, t, e) * numbers(w)[j * PIXELS + e];
          }
          products[(b * PATCHES + t) * N + j] = product;
          expected[first + (t + 1) * N] =
              product + numbers(bias)[j] + numbers(position)[(t + 1) * N + j];
        }
      }
    }
    Tensor workspace = workspace(kernels.patchEmbedForwardWorkspace(images, PATCH, weight));
    Tensor y = output(BATCH, PATCHES + 1, N);
    kernels.patchEmbedForward(images, PATCH, weight, bias, position, classToken, y, workspace);
    assertNumbers(y, expected);
    Tensor patches = output(BATCH, PATCHES, N);
    kernels.patchEmbedForward(images, PATCH, weight, null, null, null, patches, workspace);
    assertNumbers(patches, products);
  }

  @Test
  void repeatsAChannel() {
    Tensor grey = vector(1, 2, 3, 4, 5, 6, 7, 8);
    Tensor twice = grey.view(0, new long[] {1, 2, 2, 4}, new long[] {8, 0, 4, 1});
    Weight both = plain(vector(1, 1, 1, 1, 10, 10, 10, 10).reshape(1, 8));
    Tensor y = output(1, 2, 1);
    Tensor workspace = workspace(kernels.patchEmbedForwardWorkspace(twice, 2, both));
    kernels.patchEmbedForward(twice, 2, both, null, null, null, y, workspace);
    assertNumbers(y, 154, 242);
  }

  @Test
  void backward() {
    double[] expectedWeight = new double[N * PIXELS];
    double[] expectedBias = new double[N];
    double[] expectedPosition = new double[(PATCHES + 1) * N];
    double[] expectedToken = new double[N];
    for (int b = 0; b < BATCH; b++) {
      for (int j = 0; j < N; j++) {
        for (int t = 0; t <= PATCHES; t++) {
          double g = numbers(dy)[(b * (PATCHES + 1) + t) * N + j];
          expectedPosition[t * N + j] += g;
          if (t == 0) {
            expectedToken[j] += g;
            continue;
          }
          expectedBias[j] += g;
          for (int e = 0; e < PIXELS; e++) {
            expectedWeight[j * PIXELS + e] += g * pixel(numbers(images), b, t - 1, e);
          }
        }
      }
    }
    Tensor workspace = workspace(kernels.patchEmbedBackwardWorkspace(images, PATCH, N));
    Tensor dWeight = output(N, PIXELS);
    Tensor dBias = output(N);
    Tensor dPosition = output(PATCHES + 1, N);
    Tensor dToken = output(N);
    for (int times = 1; times <= 2; times++) {
      int flags = times == 1 ? 0 : Kernels.ADD_TO_PARAMETERS;
      kernels.patchEmbedBackward(
          dy, images, PATCH, flags, dWeight, dBias, dPosition, dToken, workspace);
      assertNumbers(dWeight, times(times, expectedWeight));
      assertNumbers(dBias, times(times, expectedBias));
      assertNumbers(dPosition, times(times, expectedPosition));
      assertNumbers(dToken, times(times, expectedToken));
    }
  }

  @Test
  void workspacesNeedNoMemoryYet() {
    Tensor unplaced = Tensor.unplaced(DType.F32, images.sizes());
    Weight unprepared = new Weight(Weight.Format.PLAIN, N, PIXELS);
    assertThat(kernels.patchEmbedForwardWorkspace(unplaced, PATCH, unprepared))
        .isGreaterThanOrEqualTo(TestDevices.isCpu() ? 1 : 0)
        .isEqualTo(kernels.patchEmbedForwardWorkspace(images, PATCH, weight));
    assertThat(kernels.patchEmbedBackwardWorkspace(unplaced, PATCH, N))
        .isGreaterThanOrEqualTo(TestDevices.isCpu() ? 1 : 0)
        .isEqualTo(kernels.patchEmbedBackwardWorkspace(images, PATCH, N));
  }

  @Test
  void refusesBadArguments() {
    Tensor y = output(BATCH, PATCHES, N);
    Tensor dWeight = output(N, PIXELS);
    assertRefused(
        () -> kernels.patchEmbedForward(images, 4, weight, null, null, null, y, null),
        "patch_embed_forward: patch: 4, expected a divisor of the images' 6 x 9");
    assertRefused(
        () -> kernels.patchEmbedForward(images, 1, weight, null, null, null, y, null),
        "patch_embed_forward: w: 18 columns, expected the 2 pixels of a patch");
    assertRefused(
        () -> kernels.patchEmbedForward(images, PATCH, weight, null, null, bias, y, null),
        "patch_embed_forward: y: f32 [2, 6, 5] strides [30, 5, 1], expected [2, 7, 5], not empty,"
            + " last stride 1");
    assertRefused(
        () -> kernels.patchEmbedForward(images, PATCH, weight, null, position, null, y, null),
        "patch_embed_forward: position: f32 [7, 5] strides [5, 1], expected 6 rows of 5 elements");
    assertWantsScratch(
        "patch_embed_forward: workspace",
        kernels.patchEmbedForwardWorkspace(images, PATCH, weight),
        scratch -> kernels.patchEmbedForward(images, PATCH, weight, null, null, null, y, scratch));
    assertRefused(
        () -> kernels.patchEmbedForwardWorkspace(images, 0, weight),
        "patch_embed_forward_workspace: patch: 0, expected a divisor of the images' 6 x 9");
    assertRefused(
        () -> kernels.patchEmbedBackwardWorkspace(images, PATCH, 0),
        "patch_embed_backward_workspace: n: 0, expected 1 to 2^40");
    assertRefused(
        () -> kernels.patchEmbedBackward(dy, images, PATCH, 0, null, null, null, null, null),
        "patch_embed_backward: d_weight, d_bias, d_position, d_class_token: all NULL, expected at"
            + " least one");
    assertRefused(
        () -> kernels.patchEmbedBackward(y, images, PATCH, 0, null, null, null, bias, null),
        "patch_embed_backward: dy: f32 [2, 6, 5] strides [30, 5, 1], expected [2, 6 + 1, n]");
    assertRefused(
        () -> kernels.patchEmbedBackward(dy, images, PATCH, 1, dWeight, null, null, null, null),
        "patch_embed_backward: flags: 1, expected 0 or LK_ADD_TO_PARAMETERS");
    assertWantsScratch(
        "patch_embed_backward: workspace",
        kernels.patchEmbedBackwardWorkspace(images, PATCH, N),
        scratch ->
            kernels.patchEmbedBackward(dy, images, PATCH, 0, dWeight, null, null, null, scratch));
    assertNumbers(y, numbers(output(y.sizes())));
    assertNumbers(dWeight, numbers(output(dWeight.sizes())));
  }
}
