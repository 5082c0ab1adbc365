// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.DType;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/**
 * The machine's limits, measured while benchmarks run: a program of its own ({@code
 * bench/native/probe.cpp}) that sleeps until it is asked, so that a case and its limit are measured
 * in turns.
 */
public final class Probe implements AutoCloseable {
  private final Process process;
  private final PrintWriter questions;
  private final BufferedReader answers;

  private Probe(Process process) {
    this.process = process;
    questions = new PrintWriter(process.outputWriter(StandardCharsets.US_ASCII), true);
    answers = process.inputReader(StandardCharsets.US_ASCII);
  }

  /**
   * Starts the program.
   *
   * @param isa instruction set to measure, as a device calls it
   * @throws UncheckedIOException where it cannot be started
   */
  public static Probe start(Path program, String isa, int threads) {
    try {
      if (!Files.isExecutable(program)) {
        throw new IOException("no such program");
      }
      return new Probe(
          new ProcessBuilder(program.toString(), isa, String.valueOf(threads))
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start());
    } catch (IOException e) {
      throw new UncheckedIOException(program + ": cannot be run", e);
    }
  }

  /** Operations a second of all threads on this type, 0 for one that is not probed. */
  double arithmetic(DType type) {
    return ask(type.toString());
  }

  /** Bytes a second. */
  double memory() {
    return ask("memory");
  }

  /**
   * Bytes a second of a loop that goes this way and does nothing else; 0 for no way in particular.
   */
  double memory(Work.Pass pass) {
    return pass == Work.Pass.OTHER ? 0 : ask(pass.name().toLowerCase(Locale.ROOT));
  }

  private double ask(String what) {
    questions.println(what);
    try {
      String answer = answers.readLine();
      if (answer == null) {
        throw new IOException("the probe ended");
      }
      return Double.parseDouble(answer);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    questions.close();
    process.destroy();
  }
}
