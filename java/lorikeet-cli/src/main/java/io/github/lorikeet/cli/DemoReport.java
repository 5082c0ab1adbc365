// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.DemoCommand.Outcome;
import io.github.lorikeet.cli.report.Chart;
import io.github.lorikeet.cli.report.Report;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.train.EpochResult;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/** What the demo says of its outcomes. */
final class DemoReport {
  private DemoReport() {}

  static Report of(List<Outcome> outcomes, ImageList test, List<String> labelNames) {
    List<Chart> charts = new ArrayList<>();
    List<Report.Memory> memory = new ArrayList<>();
    for (String group : outcomes.stream().map(o -> o.task().group()).distinct().toList()) {
      List<Outcome> members =
          outcomes.stream().filter(o -> o.task().group().equals(group)).toList();
      charts.add(curves("Training loss, " + group, "loss", members, EpochResult::trainLoss));
      charts.add(curves("Validation AUROC, " + group, "AUROC", members, Charts::validationAuroc));
      charts.add(
          Chart.roc(
              "ROC on the test list, " + group,
              members.stream()
                  .map(
                      o ->
                          Charts.roc(
                              o.task().method(), o.task().color(), o.runs().getFirst().test(), 0))
                  .toList()));
      members.forEach(
          o -> memory.add(RunReport.memory(o.task().method() + ", " + group, o.runs().getFirst())));
    }
    List<Outcome> pretrained = outcomes.stream().filter(o -> !o.task().randomStart()).toList();
    String first = pretrained.getFirst().task().group();
    List<Outcome> shown = pretrained.stream().filter(o -> o.task().group().equals(first)).toList();
    return new Report(
        "Fine-tuning on chest radiographs",
        summary(outcomes, test.size()),
        outcomes.stream().map(DemoReport::result).toList(),
        List.of(),
        charts,
        "Images of the test list, with the probability of pneumonia after training on "
            + first
            + ", seed 0.",
        Examples.of(test, labelNames, image -> predictions(shown, image), Examples::plain),
        memory,
        List.of(
            new Report.Fact("lorikeet", Version.number()),
            new Report.Fact("test images", String.valueOf(test.size())),
            new Report.Fact(
                "radiographs",
                "NIH ChestX-ray8, provided by the NIH Clinical Center (Wang et al., CVPR 2017)")));
  }

  private static Chart curves(
      String title, String name, List<Outcome> outcomes, ToDoubleFunction<EpochResult> value) {
    List<Chart.Line> lines = new ArrayList<>();
    for (Outcome outcome : outcomes) {
      for (TrainingRun.Result run : outcome.runs()) {
        lines.add(
            Charts.epochs(outcome.task().method(), outcome.task().color(), run.epochs(), value));
      }
    }
    return new Chart(title, Chart.Axis.epochs(), Chart.Axis.of(name), lines, false);
  }

  private static List<Report.Prediction> predictions(List<Outcome> outcomes, int image) {
    return outcomes.stream()
        .map(
            o ->
                new Report.Prediction(
                    o.task().method(),
                    o.task().color(),
                    o.runs().getFirst().test().probability(image, 0)))
        .toList();
  }

  static Report.Result result(Outcome outcome) {
    TrainingRun.Result run = outcome.runs().getFirst();
    return new Report.Result(
        outcome.task().group(),
        outcome.task().method(),
        outcome.task().color(),
        run.trained(),
        run.parameters(),
        outcome.runs().stream().map(r -> r.test().auroc().mean()).toList(),
        outcome.seconds(),
        run.measuredBytes());
  }

  static Map<String, Object> row(Outcome outcome) {
    Report.Result result = result(outcome);
    Map<String, Object> row = new LinkedHashMap<>();
    row.put("labels", outcome.task().group().replace(" labels", ""));
    row.put("method", outcome.task().mode().toString());
    row.put("start", outcome.task().randomStart() ? "random" : "pretrained");
    row.put("rank", outcome.task().rank());
    row.put("seeds", outcome.runs().size());
    row.put("auroc_mean", result.mean());
    row.put("auroc_sd", result.deviation());
    row.put("trained_parameters", result.trainable());
    row.put("parameters", result.parameters());
    row.put("seconds_a_run", result.seconds());
    row.put("planned_bytes", outcome.runs().getFirst().plannedBytes());
    row.put("peak_bytes", result.peakBytes());
    return row;
  }

  /** What was found, in sentences, whoever won. */
  static List<String> summary(List<Outcome> outcomes, int testImages) {
    List<String> sentences = new ArrayList<>();
    for (String group : outcomes.stream().map(o -> o.task().group()).distinct().toList()) {
      List<Report.Result> results =
          outcomes.stream().map(DemoReport::result).filter(r -> r.group().equals(group)).toList();
      List<Report.Result> ranked =
          results.stream().sorted((a, b) -> Double.compare(b.mean(), a.mean())).toList();
      StringBuilder sentence = new StringBuilder("With " + group + ": ");
      for (int i = 0; i < ranked.size(); i++) {
        sentence
            .append(i == 0 ? "" : ", then ")
            .append(ranked.get(i).method())
            .append(' ')
            .append(ranked.get(i).auroc());
      }
      sentences.add(sentence.append('.').toString());
    }
    sentences.add(
        "One AUROC on these "
            + testImages
            + " test images has a standard error near 0.02: smaller"
            + " differences say little.");
    return sentences;
  }
}
