// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.cli.output.TextTable;
import io.github.lorikeet.vision.metrics.Auroc;
import io.github.lorikeet.vision.train.Scores;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code lorikeet evaluate}. */
@Command(
    name = "evaluate",
    description = "Measure a classifier on a labelled list: AUROC a label, their mean, loss.",
    footer = {
      "",
      "Examples:",
      "  lorikeet evaluate --weights vit.safetensors --adapter run/adapter --list test_list.txt",
      "  lorikeet evaluate --weights merged.safetensors --list test_list.txt --json"
    })
final class EvaluateCommand implements Callable<Integer> {
  /** Resamples of the bootstrap interval. */
  private static final int ROUNDS = 1000;

  @Spec private CommandSpec spec;
  @Mixin private Inference inference;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  @Override
  public Integer call() throws InterruptedException {
    Inference.Result result = inference.run(true);
    print(result.scores(), result.names());
    return 0;
  }

  private void print(Scores scores, List<String> names) {
    PrintWriter out = spec.commandLine().getOut();
    Auroc auroc = scores.auroc();
    Auroc.Interval interval =
        Auroc.interval(scores.logits(), scores.labels(), scores.labelCount(), ROUNDS, 0);
    if (json) {
      Map<String, Object> labels = new LinkedHashMap<>();
      for (int i = 0; i < names.size(); i++) {
        labels.put(names.get(i), auroc.perLabel().get(i));
      }
      Map<String, Object> all = new LinkedHashMap<>();
      all.put("images", scores.images());
      all.put("auroc", auroc.mean());
      all.put("auroc_95", List.of(interval.low(), interval.high()));
      all.put("auroc_per_label", labels);
      all.put("loss", scores.loss());
      out.print(Json.pretty(all));
    } else {
      TextTable table = new TextTable("label", "AUROC");
      for (int i = 0; i < names.size(); i++) {
        table.row(names.get(i), Format.decimals(auroc.perLabel().get(i), 4));
      }
      table.row("mean", Format.decimals(auroc.mean(), 4));
      out.print(table);
      out.println();
      out.println(
          "95 % interval of the mean "
              + Format.decimals(interval.low(), 3)
              + " to "
              + Format.decimals(interval.high(), 3)
              + " (bootstrap over "
              + scores.images()
              + " images), loss "
              + Format.decimals(scores.loss(), 4));
      auroc.notes().forEach(note -> out.println("note: " + note));
    }
    out.flush();
  }
}
