// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.vision.file.FileProblem;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import picocli.CommandLine;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * Turns exceptions into exit codes: what a user can mend is one line on stderr, a defect of
 * Lorikeet a stack trace. LORIKEET_STACKTRACE=1 in the environment asks for the trace always.
 */
final class Failures {
  private Failures() {}

  /** Wrong usage: one line and where to read on. */
  static int wrongUsage(ParameterException e, String[] arguments) {
    CommandLine command = e.getCommandLine();
    StringBuilder suggestion = new StringBuilder();
    if (e instanceof UnmatchedArgumentException unmatched
        && !unmatched.getSuggestions().isEmpty()) {
      suggestion.append(" (did you mean ").append(unmatched.getSuggestions().getFirst());
      suggestion.append("?)");
    }
    String name = command.getCommandSpec().qualifiedName();
    say(command, firstLine(e.getMessage()) + suggestion + "; see " + name + " --help");
    return ExitCode.USAGE;
  }

  /** A command that failed. */
  static int failed(Exception e, CommandLine command, ParseResult parsed) {
    if (e instanceof IllegalArgumentException) {
      trace(e, command);
      say(command, message(e));
      return ExitCode.USAGE;
    }
    if (isExpected(e)) {
      trace(e, command);
      say(command, message(e));
    } else {
      e.printStackTrace(command.getErr());
      say(command, "internal error: " + e + "; please report it with the lines above");
    }
    return ExitCode.SOFTWARE;
  }

  static int outOfMemory(CommandLine command) {
    long limit = Runtime.getRuntime().maxMemory() >> 20;
    say(
        command,
        "Java ran out of memory (limit %d MB); LORIKEET_JAVA_OPTIONS=-Xmx%dm allows more"
            .formatted(limit, 2 * limit));
    return ExitCode.SOFTWARE;
  }

  // Lorikeet's own exceptions and those of files carry a message for the user.
  private static boolean isExpected(Exception e) {
    return e instanceof IOException
        || e instanceof UncheckedIOException
        || e.getClass().getName().startsWith("io.github.lorikeet.");
  }

  private static String message(Exception e) {
    if (e instanceof UncheckedIOException unchecked) {
      String own = unchecked.getMessage();
      IOException cause = unchecked.getCause();
      // Without a message of its own it repeats its cause's toString.
      return cause.toString().equals(own) ? message(cause) : own + ": " + FileProblem.of(cause);
    }
    if (e instanceof FileSystemException file && file.getFile() != null) {
      return file.getFile() + ": " + FileProblem.of(file);
    }
    return e.getMessage() == null ? e.toString() : e.getMessage();
  }

  private static void say(CommandLine command, String text) {
    PrintWriter err = command.getErr();
    err.println("lorikeet: " + Format.printable(text));
    err.flush();
  }

  private static void trace(Exception e, CommandLine command) {
    if (System.getenv("LORIKEET_STACKTRACE") != null) {
      e.printStackTrace(command.getErr());
    }
  }

  private static String firstLine(String text) {
    return text.lines().findFirst().orElse(text);
  }
}
