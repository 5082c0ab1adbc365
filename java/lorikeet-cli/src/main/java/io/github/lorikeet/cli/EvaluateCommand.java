// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.cli.output.TextTable;
import io.github.lorikeet.vision.metrics.Auroc.Interval;
import io.github.lorikeet.vision.metrics.Calibration;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code lorikeet evaluate}. */
@Command(
    name = "evaluate",
    description =
        "Measure a classifier on a labelled list: AUROC with 95 %% interval and calibration of each"
            + " label.",
    footer = {
      "",
      "Examples:",
      "  lorikeet evaluate --weights vit.safetensors --adapter run/adapter --list test_list.txt",
      "  lorikeet evaluate --weights merged.safetensors --list test_list.txt --json"
    })
final class EvaluateCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private Inference inference;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  @Override
  public Integer call() throws InterruptedException {
    Inference.Result result = inference.run(true, null);
    print(Measures.of(result.scores()), result.names());
    return 0;
  }

  private void print(Measures measures, List<String> names) {
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.print(Json.pretty(measures.describe(names)));
    } else {
      TextTable table = new TextTable("label", "positives", "AUROC", "95 %", "calibration error");
      for (int i = 0; i < names.size(); i++) {
        table.row(
            names.get(i),
            Format.count(measures.positives(i)),
            Format.decimals(measures.auroc().perLabel().get(i), 4),
            ends(measures.intervals().perLabel().get(i)),
            Format.decimals(measures.calibration().get(i).expectedError(), 3));
      }
      table.row(
          "mean",
          "",
          Format.decimals(measures.auroc().mean(), 4),
          ends(measures.intervals().mean()),
          Format.decimals(
              measures.calibration().stream()
                  .mapToDouble(Calibration::expectedError)
                  .average()
                  .orElse(Double.NaN),
              3));
      out.print(table);
      out.println();
      out.println(
          "intervals: bootstrap over "
              + measures.scores().images()
              + " images, "
              + Measures.ROUNDS
              + " rounds; loss "
              + Format.decimals(measures.scores().loss(), 4));
      measures.auroc().notes().forEach(note -> out.println("note: " + note));
    }
    out.flush();
  }

  private static String ends(Interval interval) {
    return Format.decimals(interval.low(), 3) + " - " + Format.decimals(interval.high(), 3);
  }
}
