// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AurocTest {

  private static double single(float[] scores, byte... labels) {
    return Auroc.of(scores, labels, 1).mean();
  }

  private static float[] scores(double... values) {
    float[] scores = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      scores[i] = (float) values[i];
    }
    return scores;
  }

  @Test
  void closedForms() {
    byte[] halves = {0, 0, 1, 1};
    assertThat(single(scores(-1, 0, 1, 2), halves)).isEqualTo(1);
    assertThat(single(scores(2, 1, 0, -1), halves)).isEqualTo(0);
    assertThat(single(scores(3, 3, 3, 3), halves)).isEqualTo(0.5);
    // Of four pairs one is wrong, and then one is a tie.
    assertThat(single(scores(.1, .4, .35, .8), halves)).isEqualTo(0.75);
    assertThat(single(scores(.1, .4, .4, .8), halves)).isEqualTo(0.875);
    assertThat(single(scores(-0.0, 0.0, 0.0, -0.0), halves)).isEqualTo(0.5);
    assertThat(
            single(scores(Double.NEGATIVE_INFINITY, -3e38, 3e38, Double.POSITIVE_INFINITY), halves))
        .isEqualTo(1);
  }

  @Test
  void positivesEvenlySpreadAmongNegativesGiveAHalf() {
    // Scores 0 .. 2n-1, odd ones positive: positive i beats i + 1 of n negatives, so the area is
    // (n + 1) / (2 n).
    int n = 1000;
    float[] scores = new float[2 * n];
    byte[] labels = new byte[2 * n];
    for (int i = 0; i < 2 * n; i++) {
      scores[i] = i;
      labels[i] = (byte) (i % 2);
    }
    assertThat(single(scores, labels)).isEqualTo((n + 1) / (2.0 * n));
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 7, 1000})
  void equalsCountingAllPairs(int levels) {
    SplittableRandom random = new SplittableRandom(levels);
    int images = 211;
    int k = 3;
    float[] scores = new float[images * k];
    byte[] labels = new byte[images * k];
    for (int i = 0; i < scores.length; i++) {
      scores[i] = random.nextInt(levels) - levels / 2;
      labels[i] = (byte) (random.nextInt(5) == 0 ? 1 : 0);
    }
    Auroc auroc = Auroc.of(scores, labels, k);
    double sum = 0;
    for (int label = 0; label < k; label++) {
      double won = 0;
      int pairs = 0;
      for (int i = label; i < scores.length; i += k) {
        for (int j = label; j < scores.length; j += k) {
          if (labels[i] == 1 && labels[j] == 0) {
            pairs++;
            won += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
          }
        }
      }
      assertThat(auroc.perLabel().get(label)).isEqualTo(won / pairs);
      assertThat(trapezoid(RocCurve.points(scores, labels, k, label)))
          .isCloseTo(won / pairs, within(1e-12));
      sum += won / pairs;
    }
    assertThat(auroc.mean()).isCloseTo(sum / k, within(1e-15));
    assertThat(auroc.notes()).isEmpty();
  }

  private static double trapezoid(List<RocCurve.Point> points) {
    double area = 0;
    for (int i = 1; i < points.size(); i++) {
      RocCurve.Point from = points.get(i - 1);
      RocCurve.Point to = points.get(i);
      assertThat(to.falsePositiveRate()).isGreaterThanOrEqualTo(from.falsePositiveRate());
      area +=
          (to.falsePositiveRate() - from.falsePositiveRate())
              * (to.truePositiveRate() + from.truePositiveRate())
              / 2;
    }
    return area;
  }

  @Test
  void labelsOfOneClassAreLeftOut() {
    // Labels: all 0; one wrong of four pairs; all 1.
    float[] scores = scores(1, .1, 1, 1, .4, 1, 1, .35, 1, 1, .8, 1);
    byte[] labels = {0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1};
    Auroc auroc = Auroc.of(scores, labels, 3);
    assertThat(auroc.perLabel()).containsExactly(Double.NaN, 0.75, Double.NaN);
    assertThat(auroc.mean()).isEqualTo(0.75);
    assertThat(auroc.notes())
        .containsExactly(
            "label 1 of 3 is left out of the mean: no image has it",
            "label 3 of 3 is left out of the mean: every image has it");
    assertThat(Auroc.of(scores(1, 2), new byte[] {1, 1}, 1).mean()).isNaN();
    assertThat(RocCurve.points(scores, labels, 3, 0)).isEmpty();
  }

  @Test
  void curvePointsOfAWorkedExample() {
    // From the top: .8 is positive, .4 one of each, .1 negative.
    assertThat(RocCurve.points(scores(.1, .4, .4, .8), new byte[] {0, 0, 1, 1}, 1, 0))
        .containsExactly(
            new RocCurve.Point(Float.POSITIVE_INFINITY, 0, 0),
            new RocCurve.Point(.8f, 0, .5),
            new RocCurve.Point(.4f, .5, 1),
            new RocCurve.Point(.1f, 1, 1));
  }

  private static Auroc.Interval interval(float[] scores, byte[] labels, long seed) {
    return Auroc.intervals(scores, labels, 1, 1000, seed).mean();
  }

  @Test
  void theMiddleOfSamplesIsBetweenOrderStatistics() {
    // Of 0, 1 .. 80, in any order, 2.5 % is at place .025 x 80 = 2, and 97.5 % at 78; of 0 .. 9,
    // at .225 and 8.775.
    double[] samples = new double[82];
    for (int i = 0; i <= 80; i++) {
      samples[i] = (i * 37) % 81;
    }
    samples[81] = Double.NaN;
    assertThat(Auroc.Interval.middle(samples)).isEqualTo(new Auroc.Interval(2, 78));
    Auroc.Interval ten = Auroc.Interval.middle(new double[] {9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
    assertThat(ten.low()).isCloseTo(0.225, within(1e-12));
    assertThat(ten.high()).isCloseTo(8.775, within(1e-12));
  }

  @Test
  void anIntervalHoldsEachLabelAsIfItWereAlone() {
    SplittableRandom random = new SplittableRandom(9);
    float[] two = new float[120];
    byte[] labels = new byte[120];
    float[] second = new float[60];
    byte[] secondLabels = new byte[60];
    for (int i = 0; i < 120; i++) {
      labels[i] = (byte) random.nextInt(2);
      two[i] = random.nextInt(20) + 3 * labels[i];
      second[i / 2] = two[i];
      secondLabels[i / 2] = labels[i];
    }
    Auroc.Intervals intervals = Auroc.intervals(two, labels, 2, 200, 5);
    assertThat(intervals.perLabel().get(1))
        .isEqualTo(Auroc.intervals(second, secondLabels, 1, 200, 5).mean())
        .isNotEqualTo(intervals.perLabel().get(0));
    double low = intervals.mean().low();
    assertThat(low)
        .isGreaterThan(
            Math.min(intervals.perLabel().get(0).low(), intervals.perLabel().get(1).low()));
  }

  @Test
  void theBootstrapIntervalIsNearTheNormalOne() {
    // Normal scores, positives shifted by 1: the area is Phi(1 / sqrt 2) = .760, and Hanley and
    // McNeil's formula gives a standard error of .0237 for 200 of each class, an interval of .093.
    SplittableRandom random = new SplittableRandom(4);
    float[] scores = new float[400];
    byte[] labels = new byte[400];
    for (int i = 0; i < 400; i++) {
      labels[i] = (byte) (i % 2);
      scores[i] = (float) (random.nextGaussian() + labels[i]);
    }
    double area = single(scores, labels);
    Auroc.Interval interval = interval(scores, labels, 7);
    assertThat(area).isCloseTo(0.76, within(0.06));
    assertThat(interval.low()).isLessThan(area);
    assertThat(interval.high()).isGreaterThan(area);
    assertThat(interval.high() - interval.low()).isCloseTo(0.093, within(0.01));
    assertThat(interval(scores, labels, 7)).isEqualTo(interval);
    assertThat(interval(scores, labels, 8)).isNotEqualTo(interval);
  }

  /**
   * The first label is told by chance, the second, which one image of 40 has, perfectly: a mean of
   * both is at least .5, of the first alone it may be less. A third that no image has changes
   * nothing.
   */
  @Test
  void theMeansIntervalIsOfSamplesWithEveryLabel() {
    float[] scores = new float[3 * 40];
    byte[] labels = new byte[3 * 40];
    for (int i = 0; i < 40; i++) {
      scores[3 * i] = i % 7;
      labels[3 * i] = (byte) (i % 2);
      labels[3 * i + 1] = (byte) (i == 0 ? 1 : 0);
      scores[3 * i + 1] = labels[3 * i + 1];
    }
    Auroc.Intervals intervals = Auroc.intervals(scores, labels, 3, 400, 3);
    assertThat(intervals.perLabel().get(0).low()).isLessThan(0.45);
    assertThat(intervals.perLabel().get(1)).isEqualTo(new Auroc.Interval(1, 1));
    assertThat(intervals.perLabel().get(2).low()).isNaN();
    assertThat(intervals.mean().low())
        .isCloseTo((1 + intervals.perLabel().get(0).low()) / 2, within(0.02));
  }

  /** Each of 12 images has a label of its own: no sample is likely to draw them all. */
  @Test
  void whereHardlyAnySampleHasEveryLabelTheOthersCount() {
    int k = 12;
    float[] scores = new float[k * k];
    byte[] labels = new byte[k * k];
    for (int i = 0; i < k; i++) {
      scores[i * k + i] = 1;
      labels[i * k + i] = 1;
    }
    assertThat(Auroc.intervals(scores, labels, k, 100, 1).mean())
        .isEqualTo(new Auroc.Interval(1, 1));
  }

  @Test
  void perfectScoresHaveACertainInterval() {
    float[] scores = scores(0, 1, 2, 3);
    byte[] labels = {0, 0, 1, 1};
    assertThat(interval(scores, labels, 1)).isEqualTo(new Auroc.Interval(1, 1));
    byte[] none = new byte[4];
    assertThat(interval(scores, none, 1).low()).isNaN();
  }

  @Test
  void refusesWhatHasNoArea() {
    assertThatThrownBy(() -> single(scores(1, Double.NaN), (byte) 0, (byte) 1))
        .hasMessage("the score of image 1, label 0, is NaN");
    assertThatThrownBy(() -> single(scores(1, 2), (byte) 0, (byte) 2))
        .hasMessage("label 0 of image 1 is 2: expected 0 or 1");
    assertThatThrownBy(() -> Auroc.of(scores(1, 2, 3), new byte[3], 2))
        .hasMessageContaining("3 scores and 3 labels");
    assertThatThrownBy(() -> Auroc.of(new float[0], new byte[0], 1))
        .hasMessageContaining("0 scores");
    assertThatThrownBy(() -> Auroc.intervals(scores(1, 2), new byte[2], 1, 0, 0))
        .hasMessageContaining("expected at least 40");
  }
}
