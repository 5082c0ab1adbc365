// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import java.util.function.IntUnaryOperator;

/** Pillow's {@code ImageOps}: what looks each pixel up in a table, with the same bits. */
final class PillowTables {
  private static final int LEVELS = 256;

  private PillowTables() {}

  static Image invert(Image image) {
    return map(image, level -> 255 - level);
  }

  /** Keeps the highest bits of each pixel: 0 to 8. */
  static Image posterize(Image image, int bits) {
    int mask = -1 << (8 - bits);
    return map(image, level -> level & mask);
  }

  /** Inverts pixels of at least the threshold, which is 0 to 256. */
  static Image solarize(Image image, int threshold) {
    return map(image, level -> level < threshold ? level : 255 - level);
  }

  /** Adds to the pixels below 128. */
  static Image solarizeAdd(Image image, int add) {
    return map(image, level -> level < 128 ? Math.min(255, level + add) : level);
  }

  /** Stretches each channel so that its darkest pixel is 0 and its lightest 255. */
  static Image autoContrast(Image image) {
    int[][] tables = new int[image.channels()][LEVELS];
    for (int c = 0; c < tables.length; c++) {
      int[] histogram = histogram(image, c);
      int low = 0;
      while (histogram[low] == 0) {
        low++;
      }
      int high = LEVELS - 1;
      while (histogram[high] == 0) {
        high--;
      }
      double scale = high > low ? 255.0 / (high - low) : 1;
      double offset = high > low ? -low * scale : 0;
      for (int level = 0; level < LEVELS; level++) {
        tables[c][level] = Math.clamp((int) (level * scale + offset), 0, 255);
      }
    }
    return map(image, tables);
  }

  /** Spreads each channel's levels so that every one of them is about equally frequent. */
  static Image equalize(Image image) {
    int[][] tables = new int[image.channels()][LEVELS];
    int pixels = image.width() * image.height();
    for (int c = 0; c < tables.length; c++) {
      int[] histogram = histogram(image, c);
      int last = LEVELS - 1;
      while (histogram[last] == 0) {
        last--;
      }
      // No step: one level only, or so few pixels that there is nothing to spread.
      int step = (pixels - histogram[last]) / 255;
      int sum = step / 2;
      for (int level = 0; level < LEVELS; level++) {
        tables[c][level] = step == 0 ? level : Math.min(sum / step, 255);
        sum += histogram[level];
      }
    }
    return map(image, tables);
  }

  private static int[] histogram(Image image, int channel) {
    int plane = image.width() * image.height();
    int[] counts = new int[LEVELS];
    for (int i = channel * plane; i < (channel + 1) * plane; i++) {
      counts[image.pixels()[i] & 0xFF]++;
    }
    return counts;
  }

  private static Image map(Image image, IntUnaryOperator level) {
    int[][] tables = new int[image.channels()][LEVELS];
    for (int[] table : tables) {
      for (int i = 0; i < LEVELS; i++) {
        table[i] = level.applyAsInt(i);
      }
    }
    return map(image, tables);
  }

  /**
   * @param tables one a channel
   */
  private static Image map(Image image, int[][] tables) {
    byte[] pixels = image.pixels();
    byte[] out = new byte[pixels.length];
    int plane = image.width() * image.height();
    for (int i = 0; i < out.length; i++) {
      out[i] = (byte) tables[i / plane][pixels[i] & 0xFF];
    }
    return new Image(image.width(), image.height(), image.channels(), out);
  }
}
