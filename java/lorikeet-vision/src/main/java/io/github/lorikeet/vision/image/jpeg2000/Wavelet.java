// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image.jpeg2000;

/**
 * One level of the inverse wavelet transform (T.800, annex F), in place. Floats hold the whole
 * numbers of the reversible one exactly: with 16 bits a sample they stay far below 2^24.
 */
final class Wavelet {
  // Table F.4.
  private static final float ALPHA = -1.586134342059924f;
  private static final float BETA = -0.052980118572961f;
  private static final float GAMMA = 0.882911075530934f;
  private static final float DELTA = 0.443506852043971f;
  private static final float K = 1.230174104914001f;

  private Wavelet() {}

  /**
   * Joins the four bands of a resolution, which lie beside each other: low frequencies to the left
   * and above.
   *
   * @param values rows of {@code stride}, the resolution at their upper left
   * @param left the resolution's place: samples at even places come from low frequencies
   */
  static void join(
      float[] values, int stride, int left, int top, int right, int bottom, boolean reversible) {
    int width = right - left;
    int height = bottom - top;
    float[] apart = new float[Math.max(width, height)];
    float[] line = new float[Math.max(width, height)];
    for (int y = 0; y < height; y++) {
      System.arraycopy(values, y * stride, apart, 0, width);
      join(apart, line, width, left & 1, reversible);
      System.arraycopy(line, 0, values, y * stride, width);
    }
    for (int x = 0; x < width; x++) {
      for (int y = 0; y < height; y++) {
        apart[y] = values[y * stride + x];
      }
      join(apart, line, height, top & 1, reversible);
      for (int y = 0; y < height; y++) {
        values[y * stride + x] = line[y];
      }
    }
  }

  /**
   * @param apart low frequencies, then high ones
   * @param low where in the line the first low one belongs: 0 or 1
   */
  private static void join(float[] apart, float[] line, int length, int low, boolean reversible) {
    if (length == 1) {
      // Alone at an odd place: a high frequency, which has twice the sample's value.
      line[0] = low == 0 ? apart[0] : apart[0] / 2;
      return;
    }
    int high = 1 - low;
    int next = 0;
    for (int i = low; i < length; i += 2) {
      line[i] = apart[next++];
    }
    for (int i = high; i < length; i += 2) {
      line[i] = apart[next++];
    }
    if (reversible) {
      for (int i = low; i < length; i += 2) {
        line[i] -= (float) Math.floor((neighbours(line, i, length) + 2) / 4);
      }
      for (int i = high; i < length; i += 2) {
        line[i] += (float) Math.floor(neighbours(line, i, length) / 2);
      }
      return;
    }
    for (int i = low; i < length; i += 2) {
      line[i] *= K;
    }
    for (int i = high; i < length; i += 2) {
      line[i] /= K;
    }
    lift(line, length, low, DELTA);
    lift(line, length, high, GAMMA);
    lift(line, length, low, BETA);
    lift(line, length, high, ALPHA);
  }

  private static void lift(float[] line, int length, int first, float factor) {
    for (int i = first; i < length; i += 2) {
      line[i] -= factor * neighbours(line, i, length);
    }
  }

  /** The sum of the samples on both sides; at an end the one that is there counts twice. */
  private static float neighbours(float[] line, int i, int length) {
    float before = line[i == 0 ? 1 : i - 1];
    float after = line[i == length - 1 ? length - 2 : i + 1];
    return before + after;
  }
}
