// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.metrics;

import java.util.ArrayList;
import java.util.List;

/**
 * How far predicted probabilities are what they say: among images that are given 0.8 of a label,
 * eight of ten should have it.
 *
 * @param bins of equal width from 0 to 1, a probability on a border in the upper one
 * @param expectedError the mean distance between a bin's predicted and observed share, weighted by
 *     the bin's predictions: the expected calibration error (Naeini et al., AAAI 2015)
 */
public record Calibration(List<Bin> bins, double expectedError) {
  /** What reliability diagrams usually show. */
  public static final int BINS = 10;

  /**
   * Predictions of similar probability.
   *
   * @param count predictions in it
   * @param predicted their mean probability; NaN in an empty bin
   * @param observed the share of them that have the label; NaN in an empty bin
   */
  public record Bin(double from, double to, int count, double predicted, double observed) {}

  public Calibration {
    bins = List.copyOf(bins);
  }

  /**
   * Of one label.
   *
   * @param probabilities 0 to 1: [images, k]
   * @param labels 0 or 1: [images, k]
   * @param label which of the k labels
   */
  public static Calibration of(double[] probabilities, byte[] labels, int k, int label) {
    if (k < 1 || label < 0 || label >= k || probabilities.length == 0) {
      throw new IllegalArgumentException(
          probabilities.length + " probabilities of " + k + " labels: no label " + label);
    }
    if (probabilities.length % k != 0 || labels.length != probabilities.length) {
      throw new IllegalArgumentException(
          probabilities.length
              + " probabilities and "
              + labels.length
              + " labels: expected as many of both, a multiple of "
              + k);
    }
    int[] counts = new int[BINS];
    double[] predicted = new double[BINS];
    double[] observed = new double[BINS];
    for (int i = label; i < probabilities.length; i += k) {
      double probability = probabilities[i];
      if (!(probability >= 0 && probability <= 1)) {
        throw new IllegalArgumentException(
            "image " + i / k + ": probability " + probability + ", expected 0 to 1");
      }
      int bin = Math.min((int) (probability * BINS), BINS - 1);
      counts[bin]++;
      predicted[bin] += probability;
      observed[bin] += labels[i];
    }
    List<Bin> bins = new ArrayList<>();
    double error = 0;
    for (int b = 0; b < BINS; b++) {
      bins.add(
          new Bin(
              (double) b / BINS,
              (double) (b + 1) / BINS,
              counts[b],
              predicted[b] / counts[b],
              observed[b] / counts[b]));
      error += Math.abs(predicted[b] - observed[b]);
    }
    return new Calibration(bins, error / (probabilities.length / k));
  }
}
