// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.OutputFile;
import io.github.lorikeet.cli.output.TextTable;
import io.github.lorikeet.cli.report.Chart;
import io.github.lorikeet.cli.report.Color;
import io.github.lorikeet.cli.report.HtmlReport;
import io.github.lorikeet.cli.report.Report;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * {@code lorikeet report}. Runs whose folders differ in their last name only, {@code seed-N}, are
 * one series: its mean and spread are given, and its curves have one colour.
 */
@Command(
    name = "report",
    description = "Compare runs of train or study: a table, and their curves on one page.",
    footer = {
      "",
      "Folders are searched for runs, finished or still going on. Runs in seed-0, seed-1 and so on",
      "of one folder are put together: mean and standard deviation of their test AUROC.",
      "",
      "Examples:",
      "  lorikeet report run-lora run-full",
      "  lorikeet report study --out study/compared.html"
    })
final class ReportCommand implements Callable<Integer> {
  private static final String[] HEADER = {
    "run", "method", "epochs", "validation AUROC", "test AUROC", "95 %", "trained", "time", "memory"
  };

  private static final String[] MEANS_HEADER = {
    "runs of", "method", "seeds", "test AUROC", "trained"
  };

  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "DIR", arity = "1..*", description = "Folders of runs.")
  private List<Path> folders;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      defaultValue = "comparison.html",
      description = "Page to write. Default: ${DEFAULT-VALUE}.")
  private Path out;

  @Override
  public Integer call() throws IOException {
    Set<Path> paths = new LinkedHashSet<>();
    for (Path folder : folders) {
      List<Path> found = find(folder);
      if (found.isEmpty()) {
        throw new IllegalArgumentException(
            folder + ": no run of train or study in this folder (config.json and log.jsonl)");
      }
      paths.addAll(found);
    }
    OutputFile.check(out, paths.stream().flatMap(run -> RunRecord.files(run).stream()).toList());
    List<RunRecord> runs = paths.stream().map(RunRecord::read).toList();
    Path base = commonFolder(runs);
    Map<String, List<RunRecord>> series = new LinkedHashMap<>();
    for (RunRecord run : runs) {
      series.computeIfAbsent(series(base, run), name -> new ArrayList<>()).add(run);
    }
    List<List<String>> rows = runs.stream().map(run -> cells(base, run)).toList();
    List<Report.Result> results = results(series);
    OutputFile.write(out, HtmlReport.of(report(rows, results, series)));
    PrintWriter text = spec.commandLine().getOut();
    text.print(table(HEADER, rows));
    text.println();
    if (results.stream().anyMatch(result -> result.aurocs().size() > 1)) {
      List<List<String>> means = results.stream().map(ReportCommand::meanCells).toList();
      text.print(table(MEANS_HEADER, means));
      text.println();
    }
    text.println("report  " + out);
    text.flush();
    return 0;
  }

  private static TextTable table(String[] header, List<List<String>> rows) {
    TextTable table = new TextTable(header);
    rows.forEach(row -> table.row(row.toArray(String[]::new)));
    return table;
  }

  /** By their real paths, so that a folder named twice counts once. */
  private static List<Path> find(Path folder) throws IOException {
    try (Stream<Path> all = Files.walk(folder.toRealPath())) {
      return all.filter(Files::isDirectory).filter(RunRecord::isRun).sorted().toList();
    }
  }

  /** The folder that all runs are in. */
  private static Path commonFolder(List<RunRecord> runs) {
    Path common = runs.getFirst().folder().toAbsolutePath().normalize().getParent();
    for (RunRecord run : runs) {
      while (!run.folder().toAbsolutePath().normalize().startsWith(common)) {
        common = common.getParent();
      }
    }
    return common;
  }

  private static Path name(Path base, RunRecord run) {
    return base.relativize(run.folder().toAbsolutePath().normalize());
  }

  private static String series(Path base, RunRecord run) {
    Path name = name(base, run);
    if (!name.getFileName().toString().matches("seed-\\d+")) {
      return name.toString();
    }
    return name.getParent() == null ? run.method() : name.getParent().toString();
  }

  /** One a series that has runs with a test list that are finished. */
  private static List<Report.Result> results(Map<String, List<RunRecord>> series) {
    List<Report.Result> results = new ArrayList<>();
    int number = 0;
    for (Map.Entry<String, List<RunRecord>> each : series.entrySet()) {
      Color color = Color.of(number++);
      List<RunRecord> tested =
          each.getValue().stream().filter(run -> !Double.isNaN(run.testAuroc())).toList();
      if (!tested.isEmpty()) {
        RunRecord first = tested.getFirst();
        Path group = Path.of(each.getKey()).getParent();
        results.add(
            new Report.Result(
                group == null ? "runs" : group.toString(),
                named(each.getKey(), first.method()),
                color,
                first.trained(),
                first.parameters(),
                tested.stream().map(RunRecord::testAuroc).toList(),
                tested.stream().mapToDouble(RunRecord::seconds).average().orElseThrow(),
                first.deviceBytes()));
      }
    }
    return results;
  }

  /** A series' own name before its method. */
  private static String named(String series, String method) {
    String name = Path.of(series).getFileName().toString();
    return name.equals(method) ? method : name + ": " + method;
  }

  private static List<String> meanCells(Report.Result result) {
    return List.of(
        result.group(),
        result.method(),
        String.valueOf(result.aurocs().size()),
        result.auroc(),
        Format.decimals(100.0 * result.trainable() / result.parameters(), 2) + " %");
  }

  private static Report report(
      List<List<String>> rows, List<Report.Result> results, Map<String, List<RunRecord>> series) {
    return new Report(
        "Runs compared",
        List.of(),
        results,
        List.of(new Report.Table("Runs", List.of(HEADER), rows)),
        List.of(
            curves("Training loss", "binary cross-entropy", series, "loss"),
            curves("Validation loss", "binary cross-entropy", series, "val_loss"),
            curves("Validation AUROC", "mean AUROC", series, "val_auroc")),
        "",
        List.of(),
        List.of(),
        List.of(new Report.Fact("lorikeet", Version.number())));
  }

  private static List<String> cells(Path base, RunRecord run) {
    boolean finished = !run.result().isEmpty();
    List<?> ends = run.interval();
    String none = "–";
    return List.of(
        name(base, run).toString(),
        run.method(),
        run.epochs().size() + (finished ? "" : " so far"),
        Format.decimals(run.bestValidationAuroc(), 4),
        Format.decimals(run.testAuroc(), 4),
        ends.size() == 2 && ends.get(0) instanceof Double low && ends.get(1) instanceof Double high
            ? Format.decimals(low, 3) + " - " + Format.decimals(high, 3)
            : none,
        finished ? Format.count(run.trained()) : none,
        finished ? Format.seconds(run.seconds()) : none,
        finished ? Format.bytes(run.deviceBytes()) : none);
  }

  private static Chart curves(
      String title, String axis, Map<String, List<RunRecord>> series, String value) {
    List<Chart.Line> lines = new ArrayList<>();
    int number = 0;
    for (Map.Entry<String, List<RunRecord>> each : series.entrySet()) {
      Color color = Color.of(number++);
      each.getValue().forEach(run -> lines.add(run.curve(each.getKey(), color, value)));
    }
    return new Chart(title, Chart.Axis.epochs(), Chart.Axis.of(axis), lines, false);
  }
}
