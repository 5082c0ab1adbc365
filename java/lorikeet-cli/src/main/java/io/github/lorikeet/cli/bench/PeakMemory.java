// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.vision.model.WeightSource;
import io.github.lorikeet.vision.weights.Checkpoint;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;
import java.util.stream.Collectors;

/**
 * The most memory that a process has resident which does nothing but a few steps of a model, its
 * weights read from a mapped checkpoint. Everything counts, the JVM and all libraries.
 *
 * @param before of those alone, bytes
 * @param peak of the whole, bytes
 */
public record PeakMemory(long before, long peak) {
  /** The second step has all that any later one has; one more in case it has not. */
  private static final int STEPS = 3;

  /** Whether a case's model can begin with a checkpoint. */
  public static boolean has(Case subject) {
    return VitModel.has(subject);
  }

  /** Writes a checkpoint of the model that the cases begin with. */
  public static void writeWeights(Path file) {
    SafetensorsWriter.write(
        file,
        VitModel.of(null, 0, WeightSource.none()).parameters().stream()
            .collect(Collectors.toMap(Parameter::name, Parameter::initial)));
  }

  /**
   * Measures this process.
   *
   * @param way a library's way to do the case, of {@link Peers#ways}; empty for Lorikeet's own
   */
  public static PeakMemory measure(Case subject, String way, Path weights, Device device) {
    Peers library = way.isEmpty() ? null : library(subject, way);
    long before = peakResident();
    try (Checkpoint checkpoint = Checkpoint.open(weights);
        Body body = open(subject, library, way, checkpoint, device)) {
      for (int i = 0; i < STEPS; i++) {
        body.run();
      }
      device.synchronize();
      return new PeakMemory(before, peakResident());
    }
  }

  private static Body open(
      Case subject, Peers library, String way, Checkpoint checkpoint, Device device) {
    WeightSource weights = new WeightSource(checkpoint.path().toString(), checkpoint.tensors());
    return library == null
        ? VitModel.open(subject, weights, device)
        : library.alone(subject, way, VitModel.inputs(subject, weights, device), device);
  }

  /** The library alone: the others are not even loaded. */
  private static Peers library(Case subject, String way) {
    for (Peers each : ServiceLoader.load(Peers.class)) {
      if (each.ways(subject).contains(way)) {
        return each;
      }
    }
    throw new IllegalArgumentException(way + ": no peer on the class path has this way");
  }

  /** VmHWM: the most that was ever resident, bytes. */
  private static long peakResident() {
    try {
      return Files.readAllLines(Path.of("/proc/self/status")).stream()
          .filter(line -> line.startsWith("VmHWM:"))
          .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("[^0-9]", "")))
          .findFirst()
          .orElseThrow(() -> new IllegalStateException("/proc/self/status has no VmHWM"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** As the process that measured itself prints it. */
  public String line() {
    return before + " " + peak;
  }

  /**
   * Runs the command in a JVM of its own, with this one's options, and reads the {@link #line} that
   * it prints last.
   *
   * @param main the class with the command
   */
  public static PeakMemory start(Class<?> main, List<String> arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(option -> option.matches("-X.*|-D(?!java\\.class\\.path|jdk\\.module).*"))
        .forEach(command::add);
    Module module = main.getModule();
    command.addAll(
        module.isNamed()
            ? List.of(
                "--enable-native-access=lorikeet.core",
                "-p",
                System.getProperty("jdk.module.path"),
                "-m",
                module.getName() + "/" + main.getName())
            : List.of(
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                main.getName()));
    command.addAll(arguments);
    try {
      Process process =
          new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
      String out =
          new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
      int exitCode = process.waitFor();
      if (exitCode != 0) {
        throw new IllegalStateException(
            "the process of " + String.join(" ", arguments) + " ended with " + exitCode);
      }
      String[] numbers = out.substring(out.lastIndexOf('\n') + 1).split(" ");
      return new PeakMemory(Long.parseLong(numbers[0]), Long.parseLong(numbers[1]));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException("interrupted while another process was measured", e);
    }
  }
}
