// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.report.Chart;
import io.github.lorikeet.cli.report.Report;
import io.github.lorikeet.vision.train.TrainMode;
import java.util.ArrayList;
import java.util.List;

/** A study's page: the table, every task's methods, and their curves. */
final class StudyReport {
  private StudyReport() {}

  static Report of(StudyTable study) {
    StudySettings settings = study.settings();
    List<Report.Result> results = new ArrayList<>();
    List<Chart> charts = new ArrayList<>();
    for (StudyTable.Row row : study.rows()) {
      List<RunRecord> runs = new ArrayList<>();
      for (TrainMode mode : StudyTable.METHODS) {
        List<RunRecord> seeds = row.runs().getOrDefault(mode, List.of());
        if (!seeds.isEmpty()) {
          results.add(result(row.task().title(), seeds));
        }
        runs.addAll(seeds);
      }
      charts.add(curves(row.task(), "Training loss", "binary cross-entropy", runs, "loss"));
      charts.add(curves(row.task(), "Validation AUROC", "mean AUROC", runs, "val_auroc"));
    }
    return new Report(
        "LoRA against full fine-tuning on chest radiographs",
        List.of(
            study.summary(),
            settings.summary(),
            "After \"Less Could Be Better\" (Lian et al., arXiv 2401.12215); published full"
                + " fine-tuning by Zhou et al. (arXiv 2301.13155). Each run's own folder has a"
                + " report with ROC, calibration and example radiographs."),
        results,
        List.of(new Report.Table("The study's table", study.header(), study.cells())),
        charts,
        "",
        List.of(),
        List.of(),
        facts(settings));
  }

  private static List<Report.Fact> facts(StudySettings settings) {
    List<Report.Fact> facts = new ArrayList<>();
    settings.inputs().forEach((name, value) -> facts.add(new Report.Fact(name, value)));
    facts.add(new Report.Fact("lorikeet", Version.number()));
    return facts;
  }

  private static Report.Result result(String group, List<RunRecord> seeds) {
    RunRecord first = seeds.getFirst();
    return new Report.Result(
        group,
        first.method(),
        Methods.color(first.mode()),
        first.trained(),
        first.parameters(),
        seeds.stream().map(RunRecord::testAuroc).toList(),
        seeds.stream().mapToDouble(RunRecord::seconds).average().orElse(Double.NaN),
        first.deviceBytes());
  }

  private static Chart curves(
      StudyTask task, String title, String axis, List<RunRecord> runs, String value) {
    return new Chart(
        title + ", " + task.title(),
        Chart.Axis.epochs(),
        Chart.Axis.of(axis),
        runs.stream()
            .map(run -> run.curve(run.method(), Methods.color(run.mode()), value))
            .toList(),
        false);
  }
}
