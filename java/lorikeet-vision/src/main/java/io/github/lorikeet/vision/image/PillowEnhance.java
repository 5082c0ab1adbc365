// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import java.util.Arrays;

/**
 * Pillow's {@code ImageEnhance}, with the same bits: an image between a degenerate one, at a factor
 * of 0, and beyond itself, which is a factor of 1.
 */
final class PillowEnhance {
  private static final float SMOOTH_EDGE = 1 / 13f;
  private static final float SMOOTH_CENTER = 5 / 13f;

  private PillowEnhance() {}

  /** Away from its grey version; a grey image stays as it is. */
  static Image color(Image image, double factor) {
    byte[] gray = image.gray().pixels();
    byte[] degenerate = new byte[image.pixels().length];
    for (int begin = 0; begin < degenerate.length; begin += gray.length) {
      System.arraycopy(gray, 0, degenerate, begin, gray.length);
    }
    return blend(degenerate, image, factor);
  }

  /** Away from its mean, that of its grey version rounded to a level. */
  static Image contrast(Image image, double factor) {
    byte[] gray = image.gray().pixels();
    long sum = 0;
    for (byte level : gray) {
      sum += level & 0xFF;
    }
    byte mean = (byte) ((double) sum / gray.length + 0.5);
    byte[] degenerate = new byte[image.pixels().length];
    Arrays.fill(degenerate, mean);
    return blend(degenerate, image, factor);
  }

  /** Away from black. */
  static Image brightness(Image image, double factor) {
    return blend(new byte[image.pixels().length], image, factor);
  }

  /** Away from a smoothed version. */
  static Image sharpness(Image image, double factor) {
    return blend(smooth(image), image, factor);
  }

  /** In single precision, rounded towards 0. */
  private static Image blend(byte[] degenerate, Image image, double factor) {
    float alpha = (float) factor;
    byte[] pixels = image.pixels();
    byte[] out = new byte[pixels.length];
    for (int i = 0; i < out.length; i++) {
      int from = degenerate[i] & 0xFF;
      int to = pixels[i] & 0xFF;
      out[i] = (byte) Math.clamp((int) (from + alpha * (to - from)), 0, 255);
    }
    return new Image(image.width(), image.height(), image.channels(), out);
  }

  /**
   * {@code ImageFilter.SMOOTH}: a weight of 5 for the pixel and 1 for each of its eight neighbours,
   * over 13; the outermost pixels stay as they are. Sums are in single precision, the row below
   * first.
   */
  private static byte[] smooth(Image image) {
    byte[] in = image.pixels();
    byte[] out = in.clone();
    int width = image.width();
    int height = image.height();
    for (int c = 0; c < image.channels(); c++) {
      for (int y = 1; y < height - 1; y++) {
        for (int x = 1; x < width - 1; x++) {
          int at = (c * height + y) * width + x;
          float sum = 0.5f;
          sum += row(in, at + width, SMOOTH_EDGE);
          sum += row(in, at, SMOOTH_CENTER);
          sum += row(in, at - width, SMOOTH_EDGE);
          out[at] = (byte) Math.clamp((int) sum, 0, 255);
        }
      }
    }
    return out;
  }

  private static float row(byte[] in, int at, float center) {
    return (in[at - 1] & 0xFF) * SMOOTH_EDGE
        + (in[at] & 0xFF) * center
        + (in[at + 1] & 0xFF) * SMOOTH_EDGE;
  }
}
