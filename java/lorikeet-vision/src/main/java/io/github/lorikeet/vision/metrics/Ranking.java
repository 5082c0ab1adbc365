// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.metrics;

import java.util.Arrays;

/**
 * Images in the order of one label's scores.
 *
 * @param image the image at each place, lowest score first
 * @param score its score
 * @param positive whether it has the label
 */
record Ranking(int[] image, float[] score, boolean[] positive) {

  static Ranking of(float[] scores, byte[] labels, int k, int label) {
    int images = scores.length / k;
    long[] order = new long[images];
    for (int i = 0; i < images; i++) {
      float score = scores[i * k + label];
      int value = labels[i * k + label];
      if (Float.isNaN(score)) {
        throw new IllegalArgumentException(
            "the score of image " + i + ", label " + label + ", is NaN");
      }
      if (value != 0 && value != 1) {
        throw new IllegalArgumentException(
            "label " + label + " of image " + i + " is " + value + ": expected 0 or 1");
      }
      order[i] = (long) sortable(score) << 32 | i;
    }
    Arrays.sort(order);
    int[] image = new int[images];
    float[] score = new float[images];
    boolean[] positive = new boolean[images];
    for (int place = 0; place < images; place++) {
      image[place] = (int) order[place];
      score[place] = scores[image[place] * k + label];
      positive[place] = labels[image[place] * k + label] == 1;
    }
    return new Ranking(image, score, positive);
  }

  /** An int that orders as the float does; the zero with a sign comes just before the other. */
  private static int sortable(float value) {
    int bits = Float.floatToIntBits(value);
    return bits < 0 ? bits ^ 0x7FFFFFFF : bits;
  }

  int positives() {
    int count = 0;
    for (boolean one : positive) {
      count += one ? 1 : 0;
    }
    return count;
  }

  /**
   * The share of pairs of a positive and a negative in which the positive scores higher, ties
   * counting half; NaN without such pairs.
   *
   * @param weights how often each image counts; null for once each
   */
  double area(int[] weights) {
    long positives = 0;
    long negatives = 0;
    // Counted in halves of a pair, so that the sum is exact.
    long halves = 0;
    for (int place = 0; place < image.length; ) {
      long tiedPositives = 0;
      long tiedNegatives = 0;
      float tied = score[place];
      for (; place < image.length && score[place] == tied; place++) {
        int weight = weights == null ? 1 : weights[image[place]];
        if (positive[place]) {
          tiedPositives += weight;
        } else {
          tiedNegatives += weight;
        }
      }
      halves += tiedPositives * (2 * negatives + tiedNegatives);
      positives += tiedPositives;
      negatives += tiedNegatives;
    }
    return positives == 0 || negatives == 0 ? Double.NaN : halves / (2.0 * positives * negatives);
  }
}
