// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli;

import static io.github.lorikeet.cli.Cli.lorikeet;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import io.github.lorikeet.cli.Cli.Result;
import io.github.lorikeet.cli.output.OutputFolder;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** What the command prints and the code it ends with. */
class MainTest {
  private static Stream<List<String>> commands() {
    List<List<String>> all = new ArrayList<>();
    all.add(List.of());
    addSubcommands(Main.commandLine(), all);
    return all.stream();
  }

  private static void addSubcommands(CommandLine command, List<List<String>> all) {
    List<String> parent = all.getLast();
    command
        .getSubcommands()
        .forEach(
            (name, each) -> {
              all.add(Stream.concat(parent.stream(), Stream.of(name)).toList());
              addSubcommands(each, all);
            });
  }

  @ParameterizedTest
  @MethodSource("commands")
  void everyCommandHelpsWithExamples(List<String> command) {
    Result result = lorikeet(command, "--help");
    assertThat(result.exitCode()).isZero();
    assertThat(result.out()).startsWith("Usage: lorikeet").contains("Examples:\n  lorikeet ");
    assertThat(result.err()).isEmpty();
  }

  @ParameterizedTest
  @MethodSource("commands")
  void helpIsFormattedAndFitsTheTerminal(List<String> command) {
    System.setProperty("lorikeet.columns", "70");
    try {
      assertThat(warnings(command, "--help")).isEmpty();
      assertThat(lorikeet(command, "--help").out().lines()).allMatch(line -> line.length() <= 70);
    } finally {
      System.clearProperty("lorikeet.columns");
    }
  }

  @Test
  void aQuoteInANameIsALetter() {
    Object[] words = {"evaluate", "--weights", "w", "--list", "l", "--label-names", "5\",6"};
    assertThat(warnings(words)).isEmpty();
  }

  /** What picocli says on the process's own stderr. */
  private static String warnings(Object... arguments) {
    PrintStream stderr = System.err;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
    try {
      lorikeet(arguments);
    } finally {
      System.setErr(stderr);
    }
    return said.toString(StandardCharsets.UTF_8);
  }

  @ParameterizedTest
  @MethodSource("commands")
  void anUnknownOptionOfEveryCommandIsWrongUsage(List<String> command) {
    Result result = lorikeet(command, "--no-such-option");
    assertThat(result.exitCode()).isEqualTo(2);
    assertThat(result.err())
        .startsWith("lorikeet: ")
        .endsWith("; see " + String.join(" ", prefixed(command)) + " --help\n")
        .hasLineCount(1);
    assertThat(result.out()).isEmpty();
  }

  private static List<String> prefixed(List<String> command) {
    List<String> all = new ArrayList<>(List.of("lorikeet"));
    all.addAll(command);
    return all;
  }

  @Test
  void nothingToDoIsWrongUsage() {
    assertThat(lorikeet())
        .isEqualTo(new Result(2, "", "lorikeet: a command is missing; see lorikeet --help\n"));
  }

  @Test
  void aStdoutThatCannotBeWrittenIsAFailure() {
    Writer full =
        new Writer() {
          @Override
          public void write(char[] text, int from, int length) throws IOException {
            throw new IOException("No space left on device");
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    StringWriter err = new StringWriter();
    assertThat(Main.run(new PrintWriter(full), new PrintWriter(err), "--version")).isEqualTo(1);
    assertThat(err.toString()).startsWith("lorikeet: stdout cannot be written to").hasLineCount(1);
  }

  @Test
  void aMisspeltCommandGetsASuggestion() {
    Result result = lorikeet("inof");
    assertThat(result.exitCode()).isEqualTo(2);
    assertThat(result.err()).contains("'inof'", "did you mean info?").hasLineCount(1);
  }

  @Test
  void aPathIsNotEmpty() {
    for (String option : List.of("--list", "--out", "--images")) {
      Result result = lorikeet("pretrain", "--list", "list.txt", "--out", "out", option, "");
      assertThat(result.exitCode()).isEqualTo(2);
      assertThat(result.err()).contains(option, "expected a path, found nothing").hasLineCount(1);
    }
    assertThat(lorikeet("report", "").err()).contains("expected a path, found nothing");
  }

  @Test
  void versionIsTheOneBuilt() {
    assertThat(lorikeet("--version").out()).matches("lorikeet \\d+\\.\\d+\\.\\d+(-SNAPSHOT)?\n");
  }

  @Test
  void infoPrintsTheDevice() {
    Result result = lorikeet("info", "--threads", "1");
    assertThat(result.exitCode()).isZero();
    assertThat(result.out())
        .contains("library    ", "device     cpu: ", "kernels  ", "threads  1\n", "dtypes   f32")
        .containsPattern("\ndevice     cuda:0: |\nno device  cuda:0: .*(?:CUDA|cuda)");
  }

  @Test
  void infoPrintsJson() throws Exception {
    List<String> fields = new ArrayList<>();
    try (JsonParser parser = new JsonFactory().createParser(lorikeet("info", "--json").out())) {
      while (parser.nextToken() != null) {
        if (parser.currentName() != null) {
          fields.add(parser.currentName());
        }
      }
    }
    assertThat(fields)
        .contains("version", "java", "devices", "isa", "dtypes", "threads", "memory_bytes")
        .contains("missing_devices");
  }

  @Test
  void aNativeFailureIsOneLine() {
    Object[] words = {"bench", "--case", "gelu", "--html", "/dev/null", "--device", "abacus"};
    Result result = lorikeet(words);
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.err()).startsWith("lorikeet: ").contains("abacus").hasLineCount(1);
  }

  @Test
  void lessThanNoThreadsIsWrongUsage() {
    String message = "lorikeet: --threads -1: expected 0 to 1024\n";
    assertThat(lorikeet("info", "--threads", "-1")).isEqualTo(new Result(2, "", message));
    Object[] words = {"bench", "--case", "gelu", "--html", "/dev/null", "--threads", "-1"};
    assertThat(lorikeet(words)).isEqualTo(new Result(2, "", message));
  }

  @Command(name = "failing")
  private record Failing(Callable<Integer> body) implements Callable<Integer> {
    @Override
    public Integer call() throws Exception {
      return body.call();
    }
  }

  private static Result failing(Callable<Integer> body) {
    StringWriter err = new StringWriter();
    CommandLine command = Main.commandLine().addSubcommand(new Failing(body));
    command.setExecutionExceptionHandler(Failures::failed).setErr(new PrintWriter(err));
    int exitCode = command.execute("failing");
    return new Result(exitCode, "", err.toString());
  }

  @Test
  void whatAUserCanMendIsOneLine(@TempDir Path folder) throws Exception {
    Path file = Files.writeString(folder.resolve("file"), "");
    Path none = folder.resolve("none");
    assertFails(1, none + ": no such file", () -> Files.readString(none).length());
    assertFails(
        1,
        none + ": no such file",
        () -> {
          throw new UncheckedIOException(new NoSuchFileException(none.toString()));
        });
    assertFails(
        1,
        file + ": cannot write to this folder: a file of this name is in the way",
        () -> OutputFolder.create(file).hashCode());
    assertFails(
        2,
        "rank: 0, expected 1 to 256",
        () -> {
          throw new IllegalArgumentException("rank: 0, expected 1 to 256");
        });
  }

  private static void assertFails(int exitCode, String message, Callable<Integer> body) {
    assertThat(failing(body)).isEqualTo(new Result(exitCode, "", "lorikeet: " + message + "\n"));
  }

  @Test
  void withoutMemoryItSaysHowToAllowMoreThanThereIs() {
    StringWriter err = new StringWriter();
    int exitCode = Failures.outOfMemory(Main.commandLine().setErr(new PrintWriter(err)));
    assertThat(exitCode).isEqualTo(1);
    long limit = Runtime.getRuntime().maxMemory() >> 20;
    assertThat(err.toString()).contains("limit " + limit + " MB", "-Xmx" + 2 * limit + "m");
  }

  @Test
  void aDefectShowsItsTrace() {
    Result result =
        failing(
            () -> {
              throw new IllegalStateException("broken");
            });
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.err())
        .contains("io.github.lorikeet.cli.MainTest", "internal error", "please report");
  }
}
