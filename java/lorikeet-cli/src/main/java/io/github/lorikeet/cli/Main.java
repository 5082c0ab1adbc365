// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** The {@code lorikeet} command. Exit code 0: done, 1: failed, 2: wrong usage. */
@Command(
    name = "lorikeet",
    description = "Parameter-efficient fine-tuning of vision transformers on hand-written kernels.",
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      DemoCommand.class,
      TrainCommand.class,
      StudyCommand.class,
      ReportCommand.class,
      EvaluateCommand.class,
      PredictCommand.class,
      PretrainCommand.class,
      MergeCommand.class,
      ExportCommand.class,
      DataCommand.class,
      BenchCommand.class,
      InfoCommand.class,
    },
    footer = {
      "",
      "Examples:",
      "  lorikeet demo                     fine-tune on the sample radiographs, minutes",
      "  lorikeet info                     what this machine offers",
      "  lorikeet train --help             every option of one command",
      "",
      "In a clone of the repository, lorikeet test builds everything and runs every test, and",
      "lorikeet kernels shows what each CUDA kernel uses and does."
    })
public final class Main implements Runnable {
  private static final int MOST_COLUMNS = 100;
  private static final int LEAST_COLUMNS = 55; // picocli's limit

  @Spec private CommandSpec spec;

  /** Runs the command and ends the JVM with its exit code. */
  public static void main(String[] arguments) {
    PrintWriter out = new PrintWriter(System.out, true);
    PrintWriter err = new PrintWriter(System.err, true);
    int exitCode;
    try {
      exitCode = run(out, err, arguments);
    } finally {
      Interrupt.commandEnded();
    }
    System.exit(exitCode);
  }

  /** Runs the command and returns its exit code. */
  static int run(PrintWriter out, PrintWriter err, String... arguments) {
    CommandLine command = commandLine().setOut(out).setErr(err);
    int exitCode;
    try {
      exitCode = command.execute(arguments);
    } catch (OutOfMemoryError e) {
      exitCode = Failures.outOfMemory(command);
    }
    if (out.checkError()) {
      err.println("lorikeet: stdout cannot be written to: the disk is full or the reader gone");
      err.flush();
      exitCode = Math.max(exitCode, ExitCode.SOFTWARE);
    }
    return exitCode;
  }

  /** The command with all its subcommands. */
  static CommandLine commandLine() {
    CommandLine command = new CommandLine(new Main());
    for (CommandLine each : withSubcommands(command)) {
      CommandSpec spec = each.getCommandSpec();
      spec.mixinStandardHelpOptions(true).versionProvider(new Version());
      spec.usageMessage().width(helpColumns()).sortOptions(false).sortSynopsis(false);
      spec.parser().splitQuotedStrings(true); // a quote is a letter like others
    }
    command.setParameterExceptionHandler(Failures::wrongUsage);
    command.setExecutionExceptionHandler(Failures::failed);
    command.setCaseInsensitiveEnumValuesAllowed(true);
    command.registerConverter(Path.class, Main::path);
    return command;
  }

  /** The terminal's width where the launcher found one. */
  private static int helpColumns() {
    int columns = Integer.getInteger("lorikeet.columns", 0);
    return columns > 0 ? Math.clamp(columns, LEAST_COLUMNS, MOST_COLUMNS) : MOST_COLUMNS;
  }

  private static List<CommandLine> withSubcommands(CommandLine command) {
    List<CommandLine> all = new ArrayList<>(List.of(command));
    command.getSubcommands().values().forEach(each -> all.addAll(withSubcommands(each)));
    return all;
  }

  /** Nothing would be the folder the command was started in. */
  private static Path path(String text) {
    if (text.isEmpty()) {
      throw new TypeConversionException("expected a path, found nothing");
    }
    return Path.of(text);
  }

  /** Without a subcommand there is nothing to do. */
  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "a command is missing");
  }
}
