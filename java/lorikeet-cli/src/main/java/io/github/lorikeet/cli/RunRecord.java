// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.cli.report.Chart;
import io.github.lorikeet.cli.report.Color;
import io.github.lorikeet.vision.train.TrainMode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A training's folder, read again: see {@link TrainingFolder}.
 *
 * @param config what the run is
 * @param epochs the log's lines
 * @param result empty before it is finished
 */
record RunRecord(
    Path folder,
    Map<String, Object> config,
    List<Map<String, Object>> epochs,
    Map<String, Object> result) {

  /** Ten thousand epochs' lines of fourteen labels. */
  private static final long MAX_BYTES = 16 << 20;

  static boolean isFinished(Path folder) {
    return Files.exists(folder.resolve(TrainingFolder.RESULT));
  }

  /** Whether a training was started there. */
  static boolean isRun(Path folder) {
    return Files.exists(folder.resolve(TrainingFolder.CONFIG))
        && Files.exists(folder.resolve(RunLog.FILE));
  }

  /** The files that {@link #read} looks for in a folder. */
  static List<Path> files(Path folder) {
    return Stream.of(TrainingFolder.CONFIG, RunLog.FILE, TrainingFolder.RESULT)
        .map(folder::resolve)
        .toList();
  }

  /**
   * @throws UncheckedIOException naming the file that cannot be read
   */
  static RunRecord read(Path folder) {
    List<Map<String, Object>> epochs = new ArrayList<>();
    Path log = folder.resolve(RunLog.FILE);
    String[] lines = text(log).split("\n");
    for (int i = 0; i < lines.length; i++) {
      // A process that was killed may have left half a line at the end.
      if (!lines[i].isEmpty() && (i + 1 < lines.length || lines[i].endsWith("}"))) {
        epochs.add(parse(log, lines[i]));
      }
    }
    Path result = folder.resolve(TrainingFolder.RESULT);
    Path config = folder.resolve(TrainingFolder.CONFIG);
    RunRecord read =
        new RunRecord(
            folder,
            parse(config, text(config)),
            epochs,
            isFinished(folder) ? parse(result, text(result)) : Map.of());
    try {
      read.mode();
    } catch (IllegalArgumentException e) {
      throw new UncheckedIOException(config + ": is damaged", new IOException(e.getMessage(), e));
    }
    return read;
  }

  private static String text(Path file) {
    try {
      if (Files.exists(file) && !Files.isRegularFile(file)) {
        throw new IOException("not a file");
      }
      if (Files.size(file) > MAX_BYTES) {
        throw new IOException("it has more than %d bytes".formatted(MAX_BYTES));
      }
      return Files.readString(file);
    } catch (CharacterCodingException e) {
      throw new UncheckedIOException(
          file + ": cannot be read", new IOException("it is not UTF-8 text", e));
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": cannot be read", e);
    }
  }

  private static Map<String, Object> parse(Path file, String text) {
    try {
      return Json.parse(text);
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": is damaged", e);
    }
  }

  private static double number(Map<String, Object> from, String name) {
    return from.get(name) instanceof Number number ? number.doubleValue() : Double.NaN;
  }

  /** Such as "LoRA, rank 4". */
  String method() {
    double rank = number(config, "rank");
    return Methods.name(mode(), Double.isNaN(rank) ? 0 : (int) rank);
  }

  TrainMode mode() {
    return StudyTask.method(String.valueOf(config.get("mode")));
  }

  /** Mean over labels; NaN where there is no test list or no end yet. */
  double testAuroc() {
    return testNumber("auroc");
  }

  double testNumber(String name) {
    return result.get("test") instanceof Map<?, ?> test && test.get(name) instanceof Number number
        ? number.doubleValue()
        : Double.NaN;
  }

  /** The ends of the test AUROC's 95 % interval; empty without. */
  List<?> interval() {
    return result.get("test") instanceof Map<?, ?> test && test.get("auroc_95") instanceof List<?> l
        ? l
        : List.of();
  }

  double bestValidationAuroc() {
    return number(result, "val_auroc");
  }

  long trained() {
    return (long) number(result, "trained_parameters");
  }

  long parameters() {
    return (long) number(result, "parameters");
  }

  double seconds() {
    return number(result, "seconds");
  }

  long deviceBytes() {
    return (long) number(result, "measured_device_bytes");
  }

  /** A value of the log against the epoch; epochs without it leave gaps closed. */
  Chart.Line curve(String name, Color color, String value) {
    List<Map<String, Object>> shown =
        epochs.stream().filter(epoch -> Double.isFinite(number(epoch, value))).toList();
    return new Chart.Line(
        name,
        color,
        shown.stream().mapToDouble(epoch -> number(epoch, "epoch")).toArray(),
        shown.stream().mapToDouble(epoch -> number(epoch, value)).toArray());
  }
}
