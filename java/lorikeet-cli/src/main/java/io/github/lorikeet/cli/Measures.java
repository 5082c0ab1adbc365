// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.vision.metrics.Auroc;
import io.github.lorikeet.vision.metrics.Auroc.Interval;
import io.github.lorikeet.vision.metrics.Calibration;
import io.github.lorikeet.vision.train.Scores;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * What is said of a classifier's scores on a labelled list.
 *
 * @param intervals bootstrap intervals of the areas, always of the same seed
 * @param calibration of each label
 */
record Measures(
    Scores scores, Auroc auroc, Auroc.Intervals intervals, List<Calibration> calibration) {
  /** Resamples of the bootstrap. */
  static final int ROUNDS = 1000;

  static Measures of(Scores scores) {
    double[] probabilities =
        IntStream.range(0, scores.logits().length)
            .mapToDouble(i -> scores.probability(i / scores.labelCount(), i % scores.labelCount()))
            .toArray();
    return new Measures(
        scores,
        scores.auroc(),
        Auroc.intervals(scores.logits(), scores.labels(), scores.labelCount(), ROUNDS, 0),
        IntStream.range(0, scores.labelCount())
            .mapToObj(
                label -> Calibration.of(probabilities, scores.labels(), scores.labelCount(), label))
            .toList());
  }

  /** Images that have a label. */
  long positives(int label) {
    return IntStream.range(0, scores.images())
        .filter(image -> scores.labels()[image * scores.labelCount() + label] == 1)
        .count();
  }

  /** As JSON has it. */
  Map<String, Object> describe(List<String> names) {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("images", scores.images());
    all.put("auroc", auroc.mean());
    all.put("auroc_95", ends(intervals.mean()));
    Map<String, Object> areas = new LinkedHashMap<>();
    Map<String, Object> ends = new LinkedHashMap<>();
    Map<String, Object> errors = new LinkedHashMap<>();
    for (int i = 0; i < names.size(); i++) {
      areas.put(names.get(i), auroc.perLabel().get(i));
      ends.put(names.get(i), ends(intervals.perLabel().get(i)));
      errors.put(names.get(i), calibration.get(i).expectedError());
    }
    all.put("auroc_per_label", areas);
    all.put("auroc_95_per_label", ends);
    all.put("calibration_error_per_label", errors);
    all.put("loss", scores.loss());
    return all;
  }

  private static List<Double> ends(Interval interval) {
    return List.of(interval.low(), interval.high());
  }
}
