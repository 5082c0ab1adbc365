// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.report;

import java.util.List;

/**
 * Colours of methods and lines, told apart in light and dark, by colour-blind readers too; lines
 * have a dash pattern besides, so that a grey print still tells the first five apart.
 *
 * @param hue the number of the style sheet's colour
 * @param dashes an SVG dash array, "" for a solid line
 */
public record Color(int hue, String dashes) {
  private static final List<String> DASHES = List.of("", "7 3", "2 3", "9 3 2 3", "4 4");

  public static final Color BLUE = of(0);
  public static final Color ORANGE = of(1);
  public static final Color GREEN = of(2);
  public static final Color VIOLET = of(3);
  public static final Color GREY = of(4);

  /** The n-th of 25 that differ in colour or dashes; they begin anew then. */
  public static Color of(int number) {
    int hues = DASHES.size();
    int hue = number % hues;
    return new Color(hue, DASHES.get((hue + number / hues) % hues));
  }

  /** The class of elements in this colour. */
  String cssClass() {
    return "c" + hue;
  }
}
