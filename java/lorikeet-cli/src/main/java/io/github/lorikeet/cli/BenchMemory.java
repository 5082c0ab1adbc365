// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli;

import io.github.lorikeet.cli.bench.Case;
import io.github.lorikeet.cli.bench.PeakMemory;
import io.github.lorikeet.cli.bench.Peers;
import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.TextTable;
import io.github.lorikeet.core.Device;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** {@code lorikeet bench --memory}: every case, and every peer's way to do it, in a new process. */
final class BenchMemory {
  /** Of the process that is measured, {@code bench}'s: the way to do its only case, and weights. */
  static final String WAY = "--alone";

  static final String WEIGHTS = "--weights";

  private final DeviceOptions device;

  BenchMemory(DeviceOptions device) {
    this.device = device;
    if (!device.device().equals("cpu")) {
      throw new IllegalArgumentException(
          "--memory measures the process, which has its tensors in memory on --device cpu only");
    }
  }

  /**
   * Starts the processes, one after another.
   *
   * @return the table
   */
  String table(List<Case> cases, List<Peers> libraries, PrintWriter err) {
    List<Case> chosen = cases.stream().filter(PeakMemory::has).toList();
    if (chosen.isEmpty()) {
      throw new IllegalArgumentException(
          "--memory: of the cases only vit-inference, vit-lora-step and vit-full-step have it");
    }
    TextTable table =
        new TextTable("case", "shape", "dtype", "peak", "before the model", "times ours");
    Path weights = temporary();
    try {
      PeakMemory.writeWeights(weights);
      for (Case each : chosen) {
        PeakMemory own = start(each, "", weights, err);
        table.row(row(each.name(), each, own, ""));
        for (String way : libraries.stream().flatMap(l -> l.ways(each).stream()).toList()) {
          PeakMemory other = start(each, way, weights, err);
          String ratio = Format.decimals((double) other.peak() / own.peak(), 2);
          table.row(row("  " + way, each, other, ratio));
        }
      }
    } finally {
      delete(weights);
    }
    return table.toString();
  }

  private static String[] row(String name, Case subject, PeakMemory memory, String ratio) {
    return new String[] {
      name,
      subject.shape(),
      subject.dtype(),
      Format.bytes(memory.peak()),
      Format.bytes(memory.before()),
      ratio
    };
  }

  private PeakMemory start(Case subject, String way, Path weights, PrintWriter err) {
    err.println("  " + subject.name() + (way.isEmpty() ? "" : ", " + way));
    err.flush();
    List<String> arguments = new ArrayList<>(List.of("bench", "--case", subject.name()));
    arguments.addAll(device.arguments());
    arguments.addAll(List.of(WAY, way, WEIGHTS, weights.toString()));
    return PeakMemory.start(Main.class, arguments);
  }

  /** What the started process prints. */
  String measure(List<Case> cases, String way, Path weights) {
    try (Device opened = device.open()) {
      return PeakMemory.measure(cases.getFirst(), way, weights, opened).line();
    }
  }

  private static Path temporary() {
    try {
      return Files.createTempFile("lorikeet-bench", ".safetensors");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void delete(Path file) {
    try {
      Files.delete(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
