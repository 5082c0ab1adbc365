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
import java.util.function.BooleanSupplier;

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
   * Starts the processes, one after another, until interrupted.
   *
   * @return the table
   */
  String table(
      List<Case> cases, List<Peers> libraries, PrintWriter err, BooleanSupplier interrupted) {
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
        PeakMemory own = null;
        for (String way : ways(each, libraries)) {
          if (interrupted.getAsBoolean()) {
            return table.toString();
          }
          PeakMemory memory = start(each, way, weights, err);
          own = own == null ? memory : own;
          table.row(row(each, way, memory, own));
        }
      }
    } catch (IllegalStateException e) {
      if (!interrupted.getAsBoolean()) { // Ctrl-C ends the other process too
        throw e;
      }
    } finally {
      delete(weights);
    }
    return table.toString();
  }

  /** Lorikeet's own, which has no name, and the libraries'. */
  private static List<String> ways(Case subject, List<Peers> libraries) {
    List<String> ways = new ArrayList<>(List.of(""));
    libraries.forEach(library -> ways.addAll(library.ways(subject)));
    return ways;
  }

  private static String[] row(Case subject, String way, PeakMemory memory, PeakMemory own) {
    return new String[] {
      way.isEmpty() ? subject.name() : "  " + way,
      subject.shape(),
      subject.dtype(),
      Format.bytes(memory.peak()),
      Format.bytes(memory.before()),
      way.isEmpty() ? "" : Format.decimals((double) memory.peak() / own.peak(), 2)
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
