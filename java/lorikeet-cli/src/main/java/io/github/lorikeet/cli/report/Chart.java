// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.report;

import java.util.List;

/**
 * Lines over two axes.
 *
 * @param diagonal whether to draw the line of chance from the lower left to the upper right
 */
public record Chart(String title, Axis x, Axis y, List<Line> lines, boolean diagonal) {
  public Chart {
    lines = List.copyOf(lines);
  }

  /** What lies along an axis. */
  public enum Scale {
    /** Equal distances. */
    LINEAR,
    /** The same, of whole numbers. */
    WHOLE,
    /** Equal distances are equal ratios. */
    LOGARITHMIC
  }

  /**
   * An axis.
   *
   * @param from least value shown, NaN to choose it by the data
   * @param to greatest value shown, NaN to choose it by the data
   * @param scale all values are above 0 where it is logarithmic
   */
  public record Axis(String label, double from, double to, Scale scale) {
    /** An axis of equal distances. */
    public Axis(String label, double from, double to) {
      this(label, from, to, Scale.LINEAR);
    }

    /** An axis of epochs, whose range is chosen by the data. */
    public static Axis epochs() {
      return new Axis("epoch", Double.NaN, Double.NaN, Scale.WHOLE);
    }

    /** A logarithmic axis whose range is chosen by the data. */
    public static Axis logarithmic(String label) {
      return new Axis(label, Double.NaN, Double.NaN, Scale.LOGARITHMIC);
    }

    /** An axis whose range is chosen by the data. */
    public static Axis of(String label) {
      return new Axis(label, Double.NaN, Double.NaN);
    }
  }

  /**
   * A line through the points (x[i], y[i]); a point that is not finite leaves a gap. Lines of one
   * name (runs of several seeds) share an entry in the legend.
   */
  public record Line(String name, Color color, double[] x, double[] y) {
    public Line {
      if (x.length != y.length) {
        throw new IllegalArgumentException(
            "line " + name + ": " + x.length + " x values, " + y.length + " y values");
      }
    }
  }

  /** A ROC plot of the lines given: x is the false positive rate, y the true positive rate. */
  public static Chart roc(String title, List<Line> lines) {
    return new Chart(
        title,
        new Axis("false positive rate", 0, 1),
        new Axis("true positive rate", 0, 1),
        lines,
        true);
  }
}
