// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.report;

/**
 * Colours of methods and lines, told apart in light and dark, by colour-blind readers too; lines
 * have a dash pattern besides, so that a grey print still tells them apart.
 */
public enum Color {
  BLUE(""),
  ORANGE("7 3"),
  GREEN("2 3"),
  VIOLET("9 3 2 3"),
  GREY("4 4");

  private final String dashes;

  Color(String dashes) {
    this.dashes = dashes;
  }

  /** The class of elements in this colour. */
  String cssClass() {
    return "c" + ordinal();
  }

  /** An SVG dash array, "" for a solid line. */
  String dashes() {
    return dashes;
  }
}
