// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.report;

import java.util.List;
import java.util.Locale;
import java.util.stream.DoubleStream;

/**
 * Draws a chart as SVG: thin grid, lines, a value to read at every point it is pointed at. Points
 * that no line leads to are dots.
 */
final class ChartSvg {
  private static final int WIDTH = 480;
  private static final int HEIGHT = 300;
  // Left of the plot, the axis' name and its labels.
  private static final int NAME_WIDTH = 28;
  private static final int DIGIT_WIDTH = 7;
  private static final int RIGHT = WIDTH - 18; // half a label
  private static final int TOP = 12;
  private static final int BOTTOM = HEIGHT - 44;
  // Beyond that many the points lie too close to be pointed at.
  private static final int MOST_POINTS = 120;

  private final Chart chart;
  private final Markup out;
  private final Ticks x;
  private final Ticks y;
  private final int left;

  private ChartSvg(Chart chart, Markup out) {
    this.chart = chart;
    this.out = out;
    x = ticks(chart.x(), chart.lines().stream().map(Chart.Line::x).toList());
    y = ticks(chart.y(), chart.lines().stream().map(Chart.Line::y).toList());
    int longest = y.values().stream().mapToInt(value -> y.label(value).length()).max().orElse(0);
    left = NAME_WIDTH + DIGIT_WIDTH * longest;
  }

  static void draw(Chart chart, Markup out) {
    new ChartSvg(chart, out).draw();
  }

  private static Ticks ticks(Chart.Axis axis, List<double[]> data) {
    double low = axis.from();
    double high = axis.to();
    DoubleStream.Builder finite = DoubleStream.builder();
    data.forEach(values -> DoubleStream.of(values).filter(Double::isFinite).forEach(finite));
    double[] values = finite.build().toArray();
    if (Double.isNaN(low)) {
      low = DoubleStream.of(values).min().orElse(0);
    }
    if (Double.isNaN(high)) {
      high = DoubleStream.of(values).max().orElse(1);
    }
    return switch (axis.scale()) {
      case LINEAR -> Ticks.around(low, high);
      case WHOLE -> Ticks.whole(low, high);
      case LOGARITHMIC -> Ticks.powers(low, high);
    };
  }

  private void draw() {
    out.open(
        "svg",
        "viewBox",
        "0 0 " + WIDTH + " " + HEIGHT,
        "role",
        "img",
        "aria-label",
        chart.title() + ": " + chart.y().label() + " against " + chart.x().label());
    axes();
    if (chart.diagonal()) {
      out.empty("line", "class", "chance", "x1", left, "y1", BOTTOM, "x2", RIGHT, "y2", TOP);
    }
    chart.lines().forEach(this::line);
    chart.lines().forEach(this::points);
    out.close();
  }

  private void axes() {
    for (double value : y.values()) {
      out.empty(
          "line", "class", "grid", "x1", left, "x2", RIGHT, "y1", down(value), "y2", down(value));
      out.element("text", y.label(value), "class", "end", "x", left - 6, "y", down(value, 4));
    }
    for (double value : x.values()) {
      out.element("text", x.label(value), "class", "middle", "x", across(value), "y", BOTTOM + 16);
    }
    out.empty("line", "class", "axis", "x1", left, "x2", RIGHT, "y1", BOTTOM, "y2", BOTTOM);
    out.element(
        "text",
        chart.x().label(),
        "class",
        "middle name",
        "x",
        (left + RIGHT) / 2,
        "y",
        HEIGHT - 8);
    out.element(
        "text",
        chart.y().label(),
        "class",
        "middle name",
        "transform",
        "translate(13 " + (TOP + BOTTOM) / 2 + ") rotate(-90)");
  }

  private void line(Chart.Line line) {
    StringBuilder path = new StringBuilder();
    boolean drawing = false;
    for (int i = 0; i < line.x().length; i++) {
      boolean point = isPoint(line, i);
      if (point) {
        path.append(drawing ? 'L' : 'M').append(across(line.x()[i])).append(' ');
        path.append(down(line.y()[i]));
      }
      drawing = point;
    }
    if (!path.isEmpty()) {
      out.empty(
          "path",
          "class",
          "line " + line.color().cssClass(),
          "d",
          path,
          "stroke-dasharray",
          line.color().dashes().isEmpty() ? "none" : line.color().dashes());
    }
  }

  private void points(Chart.Line line) {
    if (line.x().length > MOST_POINTS) {
      return;
    }
    for (int i = 0; i < line.x().length; i++) {
      if (isPoint(line, i)) {
        out.open(
            "circle",
            "class",
            (isAlone(line, i) ? "dot " : "point ") + line.color().cssClass(),
            "cx",
            across(line.x()[i]),
            "cy",
            down(line.y()[i]),
            "r",
            4);
        out.element(
            "title",
            String.format(
                Locale.ROOT,
                "%s: %s %.4g, %s %.4g",
                line.name(),
                chart.x().label(),
                line.x()[i],
                chart.y().label(),
                line.y()[i]));
        out.close();
      }
    }
  }

  private static boolean isAlone(Chart.Line line, int i) {
    return !isPoint(line, i - 1) && !isPoint(line, i + 1);
  }

  private static boolean isPoint(Chart.Line line, int i) {
    return i >= 0
        && i < line.x().length
        && Double.isFinite(line.x()[i])
        && Double.isFinite(line.y()[i]);
  }

  private String across(double value) {
    return pixels(left + x.position(value) * (RIGHT - left));
  }

  private String down(double value) {
    return down(value, 0);
  }

  private String down(double value, double offset) {
    return pixels(BOTTOM - y.position(value) * (BOTTOM - TOP) + offset);
  }

  private static String pixels(double value) {
    return String.format(Locale.ROOT, "%.1f", value);
  }
}
