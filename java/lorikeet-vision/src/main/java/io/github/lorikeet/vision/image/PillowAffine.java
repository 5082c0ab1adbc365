// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Arrays;

/**
 * Pillow's affine transforms with bicubic sampling, {@code Image.transform(size, AFFINE, ..,
 * BICUBIC)} and {@code Image.rotate}, with the same bits: a cubic of a = -1 along rows and then
 * columns in double precision, rounded towards 0; what lies outside the source is filled.
 */
final class PillowAffine {
  private PillowAffine() {}

  /** Moves rows sideways by {@code factor} times their height, x' = x + factor y. */
  static Image shearX(Image image, double factor, int fill) {
    return transform(image, new double[] {1, factor, 0, 0, 1, 0}, fill);
  }

  static Image shearY(Image image, double factor, int fill) {
    return transform(image, new double[] {1, 0, 0, factor, 1, 0}, fill);
  }

  /** Moves the picture to the left by so many pixels. */
  static Image translateX(Image image, double pixels, int fill) {
    return transform(image, new double[] {1, 0, pixels, 0, 1, 0}, fill);
  }

  /** Moves the picture up by so many pixels. */
  static Image translateY(Image image, double pixels, int fill) {
    return transform(image, new double[] {1, 0, 0, 0, 1, pixels}, fill);
  }

  /**
   * Turns the picture about its middle.
   *
   * @param degrees counter-clockwise, between -90 and 90
   */
  static Image rotate(Image image, double degrees, int fill) {
    double turn = degrees < 0 ? degrees + 360 : degrees;
    if (turn == 0) {
      return image;
    }
    double angle = -Math.toRadians(turn);
    double cos = rounded(StrictMath.cos(angle));
    double sin = rounded(StrictMath.sin(angle));
    double minusSin = rounded(-StrictMath.sin(angle));
    double centerX = image.width() / 2.0;
    double centerY = image.height() / 2.0;
    double moveX = cos * -centerX + sin * -centerY + centerX;
    double moveY = minusSin * -centerX + cos * -centerY + centerY;
    return transform(image, new double[] {cos, sin, moveX, minusSin, cos, moveY}, fill);
  }

  /** To 15 decimals, as Python's {@code round} does. */
  private static double rounded(double value) {
    return new BigDecimal(value).setScale(15, RoundingMode.HALF_EVEN).doubleValue();
  }

  /**
   * @param m where a pixel's value is taken from: x' = m0 x + m1 y + m2, y' = m3 x + m4 y + m5, of
   *     pixels' middles
   */
  private static Image transform(Image image, double[] m, int fill) {
    int width = image.width();
    int height = image.height();
    byte[] out = new byte[image.pixels().length];
    Arrays.fill(out, (byte) fill);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        double fromX = m[0] * (x + 0.5) + m[1] * (y + 0.5) + m[2];
        double fromY = m[3] * (x + 0.5) + m[4] * (y + 0.5) + m[5];
        if (fromX >= 0 && fromX < width && fromY >= 0 && fromY < height) {
          for (int c = 0; c < image.channels(); c++) {
            out[(c * height + y) * width + x] = sample(image, c, fromX - 0.5, fromY - 0.5);
          }
        }
      }
    }
    return new Image(width, height, image.channels(), out);
  }

  private static byte sample(Image image, int channel, double x, double y) {
    int left = (int) Math.floor(x);
    int top = (int) Math.floor(y);
    double[] rows = new double[4];
    for (int i = 0; i < 4; i++) {
      // Rows outside the image are as the nearest inside.
      int row = Math.clamp(top - 1 + i, 0, image.height() - 1);
      rows[i] =
          cubic(
              pixel(image, channel, row, left - 1),
              pixel(image, channel, row, left),
              pixel(image, channel, row, left + 1),
              pixel(image, channel, row, left + 2),
              x - left);
    }
    double value = cubic(rows[0], rows[1], rows[2], rows[3], y - top);
    return (byte) Math.clamp((int) value, 0, 255);
  }

  private static int pixel(Image image, int channel, int y, int x) {
    return image.at(channel, y, Math.clamp(x, 0, image.width() - 1));
  }

  /** Between v1 and v2, of four values in a row. */
  private static double cubic(double v0, double v1, double v2, double v3, double d) {
    double linear = -v0 + v2;
    double square = 2 * (v0 - v1) + v2 - v3;
    double cube = -v0 + v1 - v2 + v3;
    return v1 + d * (linear + d * (square + d * cube));
  }
}
