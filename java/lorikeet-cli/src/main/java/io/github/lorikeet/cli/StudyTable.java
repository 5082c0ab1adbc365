// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Csv;
import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.cli.output.OutputFolder;
import io.github.lorikeet.cli.output.TextTable;
import io.github.lorikeet.vision.train.TrainMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;

/**
 * A study's results as its paper shows them, a row a task; AUROCs in percent, over seeds.
 *
 * @param rows of the tasks that have a finished run
 */
record StudyTable(List<Row> rows) {
  /** Methods in the order of the columns. */
  static final List<TrainMode> METHODS =
      List.of(TrainMode.LORA, TrainMode.FULL, TrainMode.LINEAR_PROBE);

  private static final String[] HEADER = {
    "start",
    "data",
    "labels",
    "LoRA",
    "full",
    "LoRA - full",
    "linear probe",
    "trained by LoRA",
    "published LoRA",
    "published full"
  };

  /**
   * One task.
   *
   * @param runs the finished ones by method, in the order of their seeds
   */
  record Row(StudyTask task, Map<TrainMode, List<RunRecord>> runs) {
    private DoubleStream aurocs(TrainMode mode) {
      return runs.getOrDefault(mode, List.of()).stream().mapToDouble(run -> 100 * run.testAuroc());
    }

    /** Over seeds; NaN without a run. */
    double mean(TrainMode mode) {
      return aurocs(mode).average().orElse(Double.NaN);
    }

    /** The sample's standard deviation over seeds; NaN with fewer than two. */
    double deviation(TrainMode mode) {
      double mean = mean(mode);
      double squares = aurocs(mode).map(a -> (a - mean) * (a - mean)).sum();
      long count = aurocs(mode).count();
      return count < 2 ? Double.NaN : Math.sqrt(squares / (count - 1));
    }

    double difference() {
      return mean(TrainMode.LORA) - mean(TrainMode.FULL);
    }

    double published(TrainMode mode) {
      return StudyRecipes.published(task.id(), mode);
    }

    /** Share of the weights that LoRA trains, in percent. */
    double trainedPercent() {
      return runs.getOrDefault(TrainMode.LORA, List.of()).stream()
          .mapToDouble(run -> 100.0 * run.trained() / run.parameters())
          .findFirst()
          .orElse(Double.NaN);
    }

    private String text(TrainMode mode) {
      String mean = Format.decimals(mean(mode), 1);
      return Double.isNaN(deviation(mode))
          ? mean
          : mean + " ± " + Format.decimals(deviation(mode), 1);
    }

    private List<String> cells() {
      double difference = difference();
      return List.of(
          task.start().title(),
          task.data().title(),
          task.percent() + " %",
          text(TrainMode.LORA),
          text(TrainMode.FULL),
          (difference > 0 ? "+" : "") + Format.decimals(difference, 1),
          text(TrainMode.LINEAR_PROBE),
          Double.isNaN(trainedPercent()) ? "–" : Format.percent(trainedPercent(), 100),
          Format.decimals(published(TrainMode.LORA), 1),
          Format.decimals(published(TrainMode.FULL), 1));
    }

    private Map<String, Object> describe() {
      Map<String, Object> all = new LinkedHashMap<>();
      all.put("task", task.id());
      for (TrainMode mode : METHODS) {
        String name = mode.toString().replace('-', '_');
        all.put(name + "_auroc", mean(mode));
        all.put(name + "_sd", deviation(mode));
        all.put(name + "_seeds", aurocs(mode).count());
        all.put(name + "_published", published(mode));
      }
      all.put("lora_minus_full", difference());
      all.put("lora_trained_percent", trainedPercent());
      return all;
    }
  }

  StudyTable {
    rows = List.copyOf(rows);
  }

  /** Of all finished runs in a study's folder. */
  static StudyTable read(Path out) {
    List<Row> rows = new ArrayList<>();
    for (StudyTask task : StudyTask.all()) {
      Map<TrainMode, List<RunRecord>> runs = new EnumMap<>(TrainMode.class);
      for (TrainMode mode : TrainMode.values()) {
        List<RunRecord> finished =
            Stream.iterate(0, seed -> seed + 1)
                .map(seed -> new StudyRun(task, mode, seed).folder(out))
                .takeWhile(Files::exists)
                .filter(RunRecord::isFinished)
                .map(RunRecord::read)
                .toList();
        if (!finished.isEmpty()) {
          runs.put(mode, finished);
        }
      }
      if (!runs.isEmpty()) {
        rows.add(new Row(task, runs));
      }
    }
    return new StudyTable(rows);
  }

  /** Tasks that have both LoRA and full fine-tuning. */
  long compared() {
    return rows.stream().filter(row -> !Double.isNaN(row.difference())).count();
  }

  /** Of these, how many LoRA is better at. */
  long wins() {
    return rows.stream().filter(row -> row.difference() > 0).count();
  }

  /** What was found, whoever won. */
  String summary() {
    return (compared() == 0
            ? ""
            : "LoRA is above full fine-tuning in "
                + wins()
                + " of "
                + compared()
                + " tasks (published: 13 of 18). ")
        + "Test AUROC in percent"
        + (rows.stream().anyMatch(row -> !Double.isNaN(row.deviation(TrainMode.LORA)))
            ? ", mean ± standard deviation over seeds."
            : ".");
  }

  StudySettings settings() {
    return StudySettings.of(rows);
  }

  List<String> header() {
    return List.of(HEADER);
  }

  List<List<String>> cells() {
    return rows.stream().map(Row::cells).toList();
  }

  /** For a terminal. */
  String text() {
    TextTable table = new TextTable(HEADER);
    cells().forEach(row -> table.row(row.toArray(String[]::new)));
    return table + "\n" + summary() + "\n" + settings().summary() + "\n";
  }

  String markdown() {
    StringBuilder text = new StringBuilder(line(header()));
    text.append(line(header().stream().map(cell -> "---").toList()));
    cells().forEach(row -> text.append(line(row)));
    StudySettings settings = settings();
    text.append("\n").append(summary()).append("\n\n").append(settings.summary()).append("\n\n");
    settings.inputs().forEach((name, value) -> text.append("- %s: %s\n".formatted(name, value)));
    return text.toString();
  }

  private static String line(List<String> cells) {
    return "| " + String.join(" | ", cells) + " |\n";
  }

  /** Writes study.md, study.csv and study.json. */
  void write(OutputFolder folder) {
    List<Map<String, Object>> all = rows.stream().map(Row::describe).toList();
    StringBuilder csv = new StringBuilder();
    all.forEach(
        row -> csv.append(csv.isEmpty() ? Csv.line(row.keySet()) : "").append(numbers(row)));
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("version", Version.number());
    json.put("wins", wins());
    json.put("compared", compared());
    json.put("settings", settings().describe());
    json.put("tasks", all);
    folder.write("study.md", markdown());
    folder.write("study.csv", csv.toString());
    folder.write("study.json", Json.pretty(json));
  }

  /** A line of a CSV file; a number that is not there is an empty cell. */
  private static String numbers(Map<String, Object> row) {
    return Csv.line(
        row.values().stream()
            .map(value -> value instanceof Double number && number.isNaN() ? "" : value)
            .toList());
  }
}
