// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import java.util.Arrays;

/**
 * Bicubic resizing with the bits of Pillow's {@code Image.resize(size, BICUBIC)}, which the study's
 * models saw in training: Keys' cubic convolution with a = -0.5 (R. Keys, IEEE ASSP 29, 1981),
 * stretched over the source pixels of one target pixel when shrinking, so that nothing aliases;
 * weights in 22-bit fixed point; first along rows, then along columns, rounded to 8 bits each time.
 * (Pillow of 2026 takes the columns first for images over a hundred times as tall as wide, which
 * may change a level by one; the releases that the study could use did not.)
 */
public final class PillowResize {
  private static final double A = -0.5;

  /** The cubic's reach to either side, in pixels of the coarser of the two grids. */
  private static final double REACH = 2;

  /** 8 bits of pixel, 22 of weight and 2 for sums beyond one fill an int. */
  private static final int WEIGHT_BITS = 22;

  private PillowResize() {}

  public static Image bicubic(Image source, int width, int height) {
    return bicubic(source, Crop.whole(source), width, height);
  }

  /** Resizes a part of an image as if the part had been cut out first. */
  public static Image bicubic(Image source, Crop region, int width, int height) {
    region.checkInside(source);
    if (width < 1 || height < 1) {
      throw new IllegalArgumentException(
          "resize to " + width + " x " + height + ": expected at least 1 x 1");
    }
    Image rows = region.equals(Crop.whole(source)) ? source : source.crop(region);
    if (width != rows.width()) {
      rows = alongRows(rows, Taps.of(rows.width(), width));
    }
    return height == rows.height() ? rows : alongColumns(rows, Taps.of(rows.height(), height));
  }

  private static Image alongRows(Image source, Taps taps) {
    int from = source.width();
    int to = taps.first.length;
    int rows = source.channels() * source.height();
    byte[] in = source.pixels();
    byte[] out = new byte[rows * to];
    for (int row = 0; row < rows; row++) {
      for (int x = 0; x < to; x++) {
        int[] weights = taps.weights[x];
        int pixel = row * from + taps.first[x];
        int sum = 1 << (WEIGHT_BITS - 1);
        for (int i = 0; i < weights.length; i++) {
          sum += (in[pixel + i] & 0xFF) * weights[i];
        }
        out[row * to + x] = clip(sum);
      }
    }
    return new Image(to, source.height(), source.channels(), out);
  }

  private static Image alongColumns(Image source, Taps taps) {
    int width = source.width();
    int from = source.height();
    int to = taps.first.length;
    byte[] in = source.pixels();
    byte[] out = new byte[source.channels() * to * width];
    int[] sums = new int[width];
    for (int c = 0; c < source.channels(); c++) {
      for (int y = 0; y < to; y++) {
        // A row of sums at a time reads the source along its rows.
        Arrays.fill(sums, 1 << (WEIGHT_BITS - 1));
        int[] weights = taps.weights[y];
        for (int i = 0; i < weights.length; i++) {
          int row = (c * from + taps.first[y] + i) * width;
          for (int x = 0; x < width; x++) {
            sums[x] += (in[row + x] & 0xFF) * weights[i];
          }
        }
        for (int x = 0; x < width; x++) {
          out[(c * to + y) * width + x] = clip(sums[x]);
        }
      }
    }
    return new Image(width, to, source.channels(), out);
  }

  private static byte clip(int sum) {
    return (byte) Math.clamp(sum >> WEIGHT_BITS, 0, 255);
  }

  /** For each target pixel of one axis: its first source pixel and the weights from there. */
  private record Taps(int[] first, int[][] weights) {

    static Taps of(int from, int to) {
      double scale = (double) from / to;
      double stretch = Math.max(scale, 1);
      double reach = REACH * stretch;
      int[] first = new int[to];
      int[][] weights = new int[to][];
      for (int i = 0; i < to; i++) {
        double center = (i + 0.5) * scale;
        first[i] = Math.max((int) (center - reach + 0.5), 0);
        int end = Math.min((int) (center + reach + 0.5), from);
        double[] exact = new double[end - first[i]];
        for (int j = 0; j < exact.length; j++) {
          exact[j] = cubic(Math.abs((first[i] + j - center + 0.5) * (1 / stretch)));
        }
        weights[i] = fixedPoint(exact);
      }
      return new Taps(first, weights);
    }

    /** Scales weights to a sum of one, in fixed point, halves rounded away from zero. */
    private static int[] fixedPoint(double[] exact) {
      double sum = 0;
      for (double weight : exact) {
        sum += weight;
      }
      int[] weights = new int[exact.length];
      for (int i = 0; i < weights.length; i++) {
        double scaled = exact[i] / sum * (1 << WEIGHT_BITS);
        weights[i] = (int) (scaled + (scaled < 0 ? -0.5 : 0.5));
      }
      return weights;
    }

    private static double cubic(double d) {
      if (d < 1) {
        return ((A + 2) * d - (A + 3)) * d * d + 1;
      }
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * A : 0;
    }
  }
}
