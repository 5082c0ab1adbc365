// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Collection;
import java.util.stream.Stream;

/** The command, run in this JVM. */
final class Cli {
  /** What a run left. */
  record Result(int exitCode, String out, String err) {}

  private Cli() {}

  /**
   * @param arguments words, or arrays or collections of them
   */
  static Result lorikeet(Object... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    String[] words = flat(arguments).map(String::valueOf).toArray(String[]::new);
    int exitCode = Main.run(new PrintWriter(out), new PrintWriter(err), words);
    return new Result(exitCode, out.toString(), err.toString());
  }

  private static Stream<?> flat(Object words) {
    return switch (words) {
      case Collection<?> many -> many.stream().flatMap(Cli::flat);
      case Object[] many -> Stream.of(many).flatMap(Cli::flat);
      default -> Stream.of(words);
    };
  }
}
