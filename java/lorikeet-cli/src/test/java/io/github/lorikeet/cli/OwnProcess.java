// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A class of the command, or of its tests, in a JVM of its own: ended when it is closed. */
final class OwnProcess implements AutoCloseable {
  /** What a process ends with that was asked to end. */
  static final int SIGTERM = 143;

  /** What one ends with that was ended without being asked. */
  static final int SIGKILL = 137;

  /** Far longer than anything takes: a process that hangs shall not hang the build. */
  private static final int MOST_SECONDS = 300;

  /** What is waited for. */
  private interface Condition {
    boolean holds() throws IOException;
  }

  private final Process process;
  private final Path said;

  private OwnProcess(Process process, Path said) {
    this.process = process;
    this.said = said;
  }

  /** Starts the command; what it says goes to a file. */
  static OwnProcess start(Path said, List<String> arguments) throws IOException {
    return start(said, of(Main.class, arguments));
  }

  /** Starts any of them likewise. */
  static OwnProcess start(Path said, ProcessBuilder process) throws IOException {
    return new OwnProcess(
        process.redirectErrorStream(true).redirectOutput(said.toFile()).start(), said);
  }

  /**
   * @param main has a main method
   */
  static ProcessBuilder of(Class<?> main, List<String> arguments) {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                classPath(),
                main.getName()));
    command.addAll(arguments);
    return new ProcessBuilder(command);
  }

  /** Surefire puts the modules on the module path, and patches the tests in. */
  private static String classPath() {
    try {
      Path tests =
          Path.of(OwnProcess.class.getProtectionDomain().getCodeSource().getLocation().toURI());
      return String.join(
          File.pathSeparator,
          System.getProperty("jdk.module.path", ""),
          System.getProperty("java.class.path"),
          tests.toString());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  /** What it has said so far. */
  String said() throws IOException {
    return Files.readString(said);
  }

  boolean isAlive() {
    return process.isAlive();
  }

  /** Waits until it has said something. */
  void awaitSaying(String text) throws IOException, InterruptedException {
    await(() -> said().contains(text));
  }

  /** Waits until a file has so many lines. */
  void awaitLines(int lines, Path file) throws IOException, InterruptedException {
    await(() -> TestFiles.lines(file) >= lines);
  }

  /** Waits until the condition holds, and fails where it ends before. */
  private void await(Condition condition) throws IOException, InterruptedException {
    long start = System.nanoTime();
    // What it did just before its end counts.
    boolean ended = !isAlive();
    while (!condition.holds()) {
      if (ended || System.nanoTime() - start > TimeUnit.SECONDS.toNanos(MOST_SECONDS)) {
        throw new AssertionError(
            (ended ? "ended with " + process.exitValue() : "still waited for")
                + "; said: "
                + said());
      }
      Thread.sleep(1);
      ended = !isAlive();
    }
  }

  /** Asks it to end, as Ctrl-C does. */
  void interrupt() {
    process.destroy();
  }

  /** Ends it wherever it is. */
  void kill() {
    process.destroyForcibly();
  }

  /** Waits for its end. */
  int exitCode() throws IOException, InterruptedException {
    if (!process.waitFor(MOST_SECONDS, TimeUnit.SECONDS)) {
      throw new AssertionError("does not end; said: " + said());
    }
    return process.exitValue();
  }

  @Override
  public void close() {
    process.destroyForcibly();
  }
}
