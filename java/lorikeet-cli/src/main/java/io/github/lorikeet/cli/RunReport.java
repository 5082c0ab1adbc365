// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.report.Chart;
import io.github.lorikeet.cli.report.Color;
import io.github.lorikeet.cli.report.Report;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.metrics.Auroc;
import io.github.lorikeet.vision.train.EpochResult;
import io.github.lorikeet.vision.train.Scores;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** The report of one training run. */
final class RunReport {
  private static final int MOST_PREDICTIONS = 5;

  private RunReport() {}

  /** Of a run without a test list. */
  static Report of(TrainingFolder.Task task, TrainingRun.Result run) {
    return of(task, run, null, null);
  }

  /**
   * @param testImages what the run's scores are of
   * @param pictures what is shown of a few of them
   */
  static Report of(
      TrainingFolder.Task task,
      TrainingRun.Result run,
      ImageList testImages,
      Examples.Pictures pictures) {
    List<String> labelNames = task.labelNames();
    Color color = Methods.color(task.mode());
    List<Chart> charts = new ArrayList<>();
    charts.add(
        new Chart(
            "Loss",
            Chart.Axis.epochs(),
            Chart.Axis.of("binary cross-entropy"),
            List.of(
                Charts.epochs("training", color, run.epochs(), EpochResult::trainLoss),
                Charts.epochs("validation", Color.GREY, run.epochs(), EpochResult::validationLoss)),
            false));
    charts.add(
        new Chart(
            "Validation AUROC",
            Chart.Axis.epochs(),
            Chart.Axis.of("mean AUROC"),
            List.of(Charts.epochs("validation", color, run.epochs(), Charts::validationAuroc)),
            false));
    Scores test = run.test();
    Measures measures = test == null ? null : Measures.of(test);
    List<Double> aurocs = test == null ? List.of() : List.of(test.auroc().mean());
    if (test != null) {
      charts.add(Chart.roc("ROC on the test list", rocs(test, labelNames)));
      charts.add(Charts.reliability(labelNames, measures));
    }
    return new Report(
        task.title(),
        List.of(summary(run, aurocs)),
        List.of(
            new Report.Result(
                "test list",
                task.method(),
                color,
                run.trained(),
                run.parameters(),
                aurocs,
                run.seconds(),
                run.measuredBytes())),
        test == null ? List.of() : List.of(labels(measures, labelNames)),
        charts,
        "Images of the test list, with the predicted probabilities. " + Overlays.NOTE,
        test == null
            ? List.of()
            : Examples.of(
                testImages, labelNames, image -> predictions(test, image, labelNames), pictures),
        List.of(memory(task.method(), run)),
        facts(task.config()));
  }

  private static String summary(TrainingRun.Result run, List<Double> aurocs) {
    double best = run.best().validation().mean();
    return "Trained "
        + Format.count(run.trained())
        + " of "
        + Format.count(run.parameters())
        + " parameters ("
        + Format.percent(run.trained(), run.parameters())
        + "). Best on the validation list in epoch "
        + run.bestEpoch()
        + ", with a mean AUROC of "
        + Format.decimals(best, 3)
        + (aurocs.isEmpty()
            ? "."
            : "; " + Format.decimals(aurocs.getFirst(), 3) + " on the test list.");
  }

  private static Report.Table labels(Measures measures, List<String> names) {
    List<List<String>> rows = new ArrayList<>();
    for (int label = 0; label < names.size(); label++) {
      Auroc.Interval interval = measures.intervals().perLabel().get(label);
      rows.add(
          List.of(
              names.get(label),
              Format.count(measures.positives(label)),
              Format.decimals(measures.auroc().perLabel().get(label), 3),
              Format.decimals(interval.low(), 3),
              Format.decimals(interval.high(), 3),
              Format.decimals(measures.calibration().get(label).expectedError(), 3)));
    }
    return new Report.Table(
        "Labels",
        List.of("label", "images with it", "AUROC", "95 % from", "to", "calibration error"),
        rows);
  }

  private static List<Chart.Line> rocs(Scores test, List<String> labelNames) {
    List<Chart.Line> lines = new ArrayList<>();
    for (int label = 0; label < labelNames.size(); label++) {
      if (Double.isFinite(test.auroc().perLabel().get(label))) {
        Color color = Charts.labelColor(label);
        lines.add(Charts.roc(labelNames.get(label), color, test, label));
      }
    }
    return lines;
  }

  /** Of all labels where they are few, else of those that are thought most likely. */
  private static List<Report.Prediction> predictions(Scores test, int image, List<String> names) {
    List<Report.Prediction> predictions = new ArrayList<>();
    for (int label = 0; label < names.size(); label++) {
      predictions.add(
          new Report.Prediction(
              names.get(label), Charts.labelColor(label), test.probability(image, label)));
    }
    if (predictions.size() <= MOST_PREDICTIONS) {
      return predictions;
    }
    return predictions.stream()
        .sorted(Comparator.comparingDouble(Report.Prediction::probability).reversed())
        .limit(MOST_PREDICTIONS)
        .toList();
  }

  static Report.Memory memory(String name, TrainingRun.Result run) {
    List<Report.Memory.Part> parts = new ArrayList<>();
    for (MemoryPlan.Row row : run.plan()) {
      parts.add(new Report.Memory.Part(row.name(), row.bytes()));
    }
    return new Report.Memory(name, parts, run.plannedBytes(), run.measuredBytes());
  }

  private static List<Report.Fact> facts(Map<String, Object> config) {
    return config.entrySet().stream()
        .map(entry -> new Report.Fact(entry.getKey(), String.valueOf(entry.getValue())))
        .toList();
  }
}
