// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.metrics;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Points of a receiver operating characteristic, for drawing it. */
public final class RocCurve {

  /**
   * What calling images positive from a score upwards gives.
   *
   * @param threshold the lowest score that is called positive; infinite at the first point
   * @param falsePositiveRate share of negatives called positive
   * @param truePositiveRate share of positives called positive
   */
  public record Point(float threshold, double falsePositiveRate, double truePositiveRate) {}

  private RocCurve() {}

  /**
   * The curve of one label, from (0, 0) to (1, 1), a point a distinct score; empty where the labels
   * are all 0 or all 1.
   *
   * @param scores [images, k]
   * @param labels 0 or 1: [images, k]
   * @param label which of the k labels
   */
  public static List<Point> points(float[] scores, byte[] labels, int k, int label) {
    Ranking ranking = Ranking.of(scores, labels, k, label);
    int images = ranking.image().length;
    int positives = ranking.positives();
    if (positives == 0 || positives == images) {
      return List.of();
    }
    List<Point> points = new ArrayList<>();
    points.add(new Point(Float.POSITIVE_INFINITY, 0, 0));
    int above = 0;
    for (int place = images - 1; place >= 0; place--) {
      above += ranking.positive()[place] ? 1 : 0;
      int called = images - place;
      if (place == 0 || ranking.score()[place] != ranking.score()[place - 1]) {
        points.add(
            new Point(
                ranking.score()[place],
                (double) (called - above) / (images - positives),
                (double) above / positives));
      }
    }
    return Collections.unmodifiableList(points);
  }
}
