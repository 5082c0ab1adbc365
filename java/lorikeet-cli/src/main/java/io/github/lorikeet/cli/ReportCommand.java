// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.OutputFolder;
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
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code lorikeet report}. */
@Command(
    name = "report",
    description = "Compare runs of train or study: a table, and their curves on one page.",
    footer = {
      "",
      "Folders are searched for runs, finished or still going on.",
      "",
      "Examples:",
      "  lorikeet report run-lora run-full",
      "  lorikeet report study --out study/compared.html"
    })
final class ReportCommand implements Callable<Integer> {
  private static final String[] HEADER = {
    "run", "method", "epochs", "validation AUROC", "test AUROC", "95 %", "trained", "time", "memory"
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
    List<RunRecord> runs = new ArrayList<>();
    for (Path folder : folders) {
      List<Path> found = find(folder);
      if (found.isEmpty()) {
        throw new IllegalArgumentException(
            folder + ": no run of train or study in this folder (config.json and log.jsonl)");
      }
      found.forEach(run -> runs.add(RunRecord.read(run)));
    }
    OutputFolder.create(out.toAbsolutePath().getParent());
    OutputFolder.write(out, HtmlReport.of(report(runs)));
    TextTable table = new TextTable(HEADER);
    runs.forEach(run -> table.row(cells(run).toArray(String[]::new)));
    PrintWriter text = spec.commandLine().getOut();
    text.print(table);
    text.println();
    text.println("report  " + out);
    text.flush();
    return 0;
  }

  private static List<Path> find(Path folder) throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      return all.filter(Files::isDirectory).filter(RunRecord::isRun).sorted().toList();
    }
  }

  private static Report report(List<RunRecord> runs) {
    return new Report(
        "Runs compared",
        List.of(),
        List.of(),
        List.of(
            new Report.Table(
                "Runs", List.of(HEADER), runs.stream().map(ReportCommand::cells).toList())),
        List.of(
            curves("Training loss", "binary cross-entropy", runs, "loss"),
            curves("Validation loss", "binary cross-entropy", runs, "val_loss"),
            curves("Validation AUROC", "mean AUROC", runs, "val_auroc")),
        "",
        List.of(),
        List.of(),
        List.of(new Report.Fact("lorikeet", Version.number())));
  }

  private static List<String> cells(RunRecord run) {
    boolean finished = !run.result().isEmpty();
    List<?> ends = run.interval();
    String none = "–";
    return List.of(
        run.folder().toString(),
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

  private static Chart curves(String title, String axis, List<RunRecord> runs, String value) {
    List<Chart.Line> lines = new ArrayList<>();
    for (int i = 0; i < runs.size(); i++) {
      Color color = Color.values()[i % Color.values().length];
      lines.add(runs.get(i).curve(runs.get(i).folder().toString(), color, value));
    }
    return new Chart(title, Chart.Axis.of("epoch"), Chart.Axis.of(axis), lines, false);
  }
}
