// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.metrics;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Area under the receiver operating characteristic: the probability that a positive scores above a
 * negative, equal scores counting half (Hanley and McNeil, Radiology 143, 1982), which is the
 * trapezoid rule's area.
 *
 * @param perLabel area of each label; NaN where the labels are all 0 or all 1
 * @param mean mean over the labels that have an area; NaN when none has
 * @param notes one sentence for each label that is left out of the mean
 */
public record Auroc(List<Double> perLabel, double mean, List<String> notes) {

  /** So that both ends of an interval are more than an extreme. */
  private static final int LEAST_ROUNDS = 40;

  /** A 95 % interval. */
  public record Interval(double low, double high) {
    /** The middle 95 % of those samples that are numbers; NaN to NaN without any. */
    static Interval middle(double[] samples) {
      double[] sorted = Arrays.stream(samples).filter(s -> !Double.isNaN(s)).sorted().toArray();
      return new Interval(quantile(sorted, 0.025), quantile(sorted, 0.975));
    }
  }

  /**
   * Areas of k labels.
   *
   * @param scores finite or infinite, higher for 1: [images, k]
   * @param labels 0 or 1: [images, k]
   * @param k labels an image
   */
  public static Auroc of(float[] scores, byte[] labels, int k) {
    List<Ranking> rankings = rankings(scores, labels, k);
    List<Double> areas = new ArrayList<>();
    List<String> notes = new ArrayList<>();
    for (int label = 0; label < k; label++) {
      Ranking ranking = rankings.get(label);
      double area = ranking.area(null);
      areas.add(area);
      if (Double.isNaN(area)) {
        notes.add(
            "label "
                + (label + 1)
                + " of "
                + k
                + " is left out of the mean: "
                + (ranking.positives() == 0 ? "no image has it" : "every image has it"));
      }
    }
    return new Auroc(List.copyOf(areas), mean(areas), List.copyOf(notes));
  }

  /**
   * Intervals of each label's area and of their mean.
   *
   * @param perLabel NaN to NaN where a label has no area
   */
  public record Intervals(List<Interval> perLabel, Interval mean) {}

  /**
   * The bootstrap's percentile intervals (Efron, Annals of Statistics 7, 1979) of each label's area
   * and of their mean: images are drawn with replacement and not by label, all labels of an image
   * together. A sample in which a label is all 0 or all 1 has no area of that label, and takes no
   * part in its interval, nor in the mean's: a mean over fewer labels is of something else. Where
   * fewer than 40 samples have an area of every label that has one here, the mean's interval is of
   * the means over those labels that each sample has.
   *
   * @param rounds samples drawn, at least 40 for both ends to be more than an extreme
   */
  public static Intervals intervals(float[] scores, byte[] labels, int k, int rounds, long seed) {
    if (rounds < LEAST_ROUNDS) {
      throw new IllegalArgumentException(
          rounds + " bootstrap rounds: expected at least " + LEAST_ROUNDS);
    }
    List<Ranking> rankings = rankings(scores, labels, k);
    int images = scores.length / k;
    SplittableRandom random = new SplittableRandom(seed);
    double[][] areas = new double[k][rounds];
    long whole = rankings.stream().filter(r -> !Double.isNaN(r.area(null))).count();
    double[] means = new double[rounds];
    double[] wholeMeans = new double[rounds];
    int[] drawn = new int[images];
    for (int round = 0; round < rounds; round++) {
      Arrays.fill(drawn, 0);
      for (int i = 0; i < images; i++) {
        drawn[random.nextInt(images)]++;
      }
      List<Double> sample = rankings.stream().map(r -> r.area(drawn)).toList();
      means[round] = mean(sample);
      boolean isWhole = sample.stream().filter(area -> !area.isNaN()).count() == whole;
      wholeMeans[round] = isWhole ? means[round] : Double.NaN;
      for (int label = 0; label < k; label++) {
        areas[label][round] = sample.get(label);
      }
    }
    long wholeRounds = Arrays.stream(wholeMeans).filter(m -> !Double.isNaN(m)).count();
    return new Intervals(
        Arrays.stream(areas).map(Interval::middle).toList(),
        Interval.middle(wholeRounds < LEAST_ROUNDS ? means : wholeMeans));
  }

  private static double mean(List<Double> areas) {
    return areas.stream().filter(a -> !a.isNaN()).mapToDouble(a -> a).average().orElse(Double.NaN);
  }

  /** Linear between order statistics. */
  private static double quantile(double[] sorted, double q) {
    if (sorted.length == 0) {
      return Double.NaN;
    }
    double position = q * (sorted.length - 1);
    int below = (int) position;
    int above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
  }

  private static List<Ranking> rankings(float[] scores, byte[] labels, int k) {
    if (k < 1 || scores.length == 0 || scores.length % k != 0 || labels.length != scores.length) {
      throw new IllegalArgumentException(
          scores.length
              + " scores and "
              + labels.length
              + " labels: expected as many of both, a"
              + " multiple of "
              + k);
    }
    List<Ranking> rankings = new ArrayList<>();
    for (int label = 0; label < k; label++) {
      rankings.add(Ranking.of(scores, labels, k, label));
    }
    return rankings;
  }
}
