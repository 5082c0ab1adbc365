// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.output;

import java.util.Collection;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Comma-separated values (RFC 4180), lines ended by a newline alone. */
public final class Csv {
  private Csv() {}

  /**
   * One line. Numbers are written so that reading them gives the same bits; a cell with a comma, a
   * quote or a line break is quoted.
   */
  public static String line(Collection<?> cells) {
    return cells.stream().map(Csv::cell).collect(Collectors.joining(",", "", "\n"));
  }

  /** One line of a name and a number for each column. */
  public static String line(String name, float[] values) {
    Stream.Builder<Object> cells = Stream.builder().add(name);
    for (float value : values) {
      cells.add(value);
    }
    return line(cells.build().toList());
  }

  private static String cell(Object value) {
    String text = String.valueOf(value);
    boolean plain = text.chars().noneMatch(c -> c == ',' || c == '"' || c == '\n' || c == '\r');
    return plain ? text : '"' + text.replace("\"", "\"\"") + '"';
  }
}
