// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.report.Chart;
import io.github.lorikeet.cli.report.Color;
import io.github.lorikeet.vision.metrics.Calibration;
import io.github.lorikeet.vision.metrics.RocCurve;
import io.github.lorikeet.vision.train.EpochResult;
import io.github.lorikeet.vision.train.Scores;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

/** Lines of a report's charts. */
final class Charts {
  private Charts() {}

  /** A label's colour, the same in every chart. */
  static Color labelColor(int label) {
    return Color.of(label);
  }

  /**
   * Predicted against observed shares, of labels that some images have; a model that is right about
   * its doubts is on the diagonal.
   */
  static Chart reliability(List<String> labelNames, Measures measures) {
    List<Chart.Line> lines = new ArrayList<>();
    for (int label = 0; label < labelNames.size(); label++) {
      if (measures.positives(label) == 0) {
        continue;
      }
      List<Calibration.Bin> bins =
          measures.calibration().get(label).bins().stream().filter(bin -> bin.count() > 0).toList();
      lines.add(
          new Chart.Line(
              labelNames.get(label),
              labelColor(label),
              bins.stream().mapToDouble(Calibration.Bin::predicted).toArray(),
              bins.stream().mapToDouble(Calibration.Bin::observed).toArray()));
    }
    return new Chart(
        "Calibration on the test list",
        new Chart.Axis("predicted probability", 0, 1),
        new Chart.Axis("share with the label", 0, 1),
        lines,
        true);
  }

  /** A value an epoch; epochs without one leave gaps closed. */
  static Chart.Line epochs(
      String name, Color color, List<EpochResult> epochs, ToDoubleFunction<EpochResult> value) {
    List<EpochResult> shown =
        epochs.stream().filter(epoch -> Double.isFinite(value.applyAsDouble(epoch))).toList();
    return new Chart.Line(
        name,
        color,
        shown.stream().mapToDouble(EpochResult::epoch).toArray(),
        shown.stream().mapToDouble(value).toArray());
  }

  static double validationAuroc(EpochResult epoch) {
    return epoch.validation() == null ? Double.NaN : epoch.validation().mean();
  }

  /** The ROC of one label. */
  static Chart.Line roc(String name, Color color, Scores scores, int label) {
    List<RocCurve.Point> points =
        RocCurve.points(scores.logits(), scores.labels(), scores.labelCount(), label);
    return new Chart.Line(
        name,
        color,
        points.stream().mapToDouble(RocCurve.Point::falsePositiveRate).toArray(),
        points.stream().mapToDouble(RocCurve.Point::truePositiveRate).toArray());
  }
}
