// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.report;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.report.Report.Example;
import io.github.lorikeet.cli.report.Report.Memory;
import io.github.lorikeet.cli.report.Report.Prediction;
import io.github.lorikeet.cli.report.Report.Result;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A report as one HTML page that needs nothing else: no script, no font, no image from elsewhere.
 * Light or dark as the reader's system is, and readable on a phone.
 */
public final class HtmlReport {
  // The strip that AUROCs are drawn on runs from chance to perfect.
  private static final double STRIP_FROM = 0.5;
  private static final int STRIP_WIDTH = 150;

  private final Report report;
  private final Markup out = new Markup();

  private HtmlReport(Report report) {
    this.report = report;
  }

  /** The page of a report. */
  public static String of(Report report) {
    return new HtmlReport(report).page();
  }

  private String page() {
    open(out, report.title());
    report.summary().forEach(sentence -> out.element("p", sentence, "class", "summary"));
    report.tables().forEach(this::table);
    results();
    charts();
    examples();
    memory();
    facts(out, report.facts());
    close(out);
    return out.toString();
  }

  /** A page's head and its first heading. */
  static void open(Markup out, String title) {
    out.raw("<!DOCTYPE html>\n")
        .open("html", "lang", "en", "xmlns", "http://www.w3.org/1999/xhtml");
    out.open("head").empty("meta", "charset", "utf-8");
    out.empty("meta", "name", "viewport", "content", "width=device-width, initial-scale=1");
    out.empty("meta", "name", "color-scheme", "content", "light dark");
    out.element("title", title).open("style").raw(style()).close().close();
    out.open("body").open("main").element("h1", title);
  }

  /** Ends what {@link #open} began. */
  static void close(Markup out) {
    out.close().close().close();
  }

  private static String style() {
    try (InputStream style = HtmlReport.class.getResourceAsStream("report.css")) {
      return new String(style.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void section(String title) {
    section(out, title);
  }

  private static void section(Markup out, String title) {
    out.open("section").element("h2", title);
  }

  private void table(Report.Table table) {
    section(table.title());
    out.open("div", "class", "scroll").open("table").open("thead");
    row("th", table.header());
    out.close().open("tbody");
    table.rows().forEach(cells -> row("td", cells));
    out.close().close().close().close();
  }

  private void row(String element, List<String> cells) {
    out.open("tr");
    for (int i = 0; i < cells.size(); i++) {
      out.element(element, cells.get(i), "class", i == 0 ? "text" : "number");
    }
    out.close();
  }

  private void results() {
    if (report.results().isEmpty()) {
      return;
    }
    section("Results");
    out.open("div", "class", "scroll").open("table").open("thead").open("tr");
    out.element("th", "method");
    for (String column :
        List.of("AUROC", "on the test list", "trained", "of all", "time", "memory")) {
      out.element("th", column, "class", column.startsWith("on") ? "strip" : "number");
    }
    out.close().close().open("tbody");
    String group = "";
    for (Result result : report.results()) {
      if (!result.group().equals(group)) {
        group = result.group();
        out.open("tr", "class", "group").element("th", group, "colspan", 7).close();
      }
      result(result);
    }
    out.close().close().close();
    if (report.results().stream().anyMatch(r -> r.aurocs().size() > 1)) {
      String note =
          "AUROC: mean ± standard deviation over seeds. A dot is a seed, the bar their mean";
      out.element("p", note + "; the strip runs from 0.5 (chance) to 1.", "class", "note");
    }
    out.close();
  }

  private void result(Result result) {
    out.open("tr").open("td");
    key(result.color(), result.method());
    out.close().open("td", "class", "number").element("b", Format.decimals(result.mean(), 3));
    if (!Double.isNaN(result.deviation())) {
      out.text(" ± " + Format.decimals(result.deviation(), 3));
    }
    out.close().open("td", "class", "strip");
    strip(result);
    out.close();
    for (String cell :
        List.of(
            Format.count(result.trainable()),
            Format.percent(result.trainable(), result.parameters()),
            Format.seconds(result.seconds()),
            Format.bytes(result.peakBytes()))) {
      out.element("td", cell, "class", "number");
    }
    out.close();
  }

  private void strip(Result result) {
    out.open("svg", "viewBox", "0 0 " + STRIP_WIDTH + " 16", "width", STRIP_WIDTH, "height", 16);
    out.empty("rect", "class", "track", "width", STRIP_WIDTH, "height", 10, "y", 3, "rx", 2);
    String color = result.color().cssClass();
    out.empty(
        "rect",
        "class",
        "fill bar " + color,
        "width",
        onStrip(result.mean()),
        "height",
        10,
        "y",
        3,
        "rx",
        2);
    for (double auroc : result.aurocs()) {
      out.open("circle", "class", "dot " + color, "cx", onStrip(auroc), "cy", 8, "r", 3.5);
      out.element("title", Format.decimals(auroc, 4)).close();
    }
    out.close();
  }

  private static String onStrip(double auroc) {
    double share = Math.clamp((auroc - STRIP_FROM) / (1 - STRIP_FROM), 0, 1);
    return String.format(Locale.ROOT, "%.1f", (Double.isNaN(share) ? 0 : share) * STRIP_WIDTH);
  }

  /** A name with the colour that stands for it. */
  private void key(Color color, String name) {
    out.open("span", "class", "key").open("svg", "viewBox", "0 0 18 10", "width", 18, "height", 10);
    out.empty(
        "line",
        "class",
        "line " + color.cssClass(),
        "x1",
        1,
        "x2",
        17,
        "y1",
        5,
        "y2",
        5,
        "stroke-dasharray",
        color.dashes().isEmpty() ? "none" : color.dashes());
    out.close().text(name).close();
  }

  private void charts() {
    if (report.charts().isEmpty()) {
      return;
    }
    section("Curves");
    out.open("div", "class", "charts");
    for (Chart chart : report.charts()) {
      out.open("figure").element("figcaption", chart.title());
      Map<String, Color> legend = new LinkedHashMap<>();
      chart.lines().forEach(line -> legend.putIfAbsent(line.name(), line.color()));
      out.open("p", "class", "legend");
      legend.forEach((name, color) -> key(color, name));
      out.close();
      ChartSvg.draw(chart, out);
      out.close();
    }
    out.close().close();
  }

  private void examples() {
    if (report.examples().isEmpty()) {
      return;
    }
    section("Examples");
    if (!report.exampleNote().isEmpty()) {
      out.element("p", report.exampleNote(), "class", "note");
    }
    out.open("div", "class", "examples");
    for (Example example : report.examples()) {
      String kind = example.pictures().size() > 1 ? "example wide" : "example";
      out.open("figure", "class", kind).open("div", "class", "pictures");
      example.pictures().forEach(picture -> picture(example, picture));
      out.close().open("figcaption");
      if (!example.truth().isEmpty()) {
        out.element("b", example.truth());
      }
      out.element("span", example.name(), "class", "note").close();
      example.predictions().forEach(this::prediction);
      out.close();
    }
    out.close().close();
  }

  private void picture(Example example, Report.Picture picture) {
    String description = (example.name() + " " + picture.caption()).strip();
    out.open("div");
    out.empty(
        "img",
        "src",
        PngData.url(picture),
        "alt",
        description,
        "width",
        picture.width(),
        "height",
        picture.height());
    if (!picture.caption().isEmpty()) {
      out.element("span", picture.caption(), "class", "note");
    }
    out.close();
  }

  private void prediction(Prediction prediction) {
    String percent = Format.decimals(100 * prediction.probability(), 0) + " %";
    out.open("div", "class", "prediction");
    out.element("span", prediction.name()).element("span", percent, "class", "number");
    out.open("svg", "viewBox", "0 0 100 4", "preserveAspectRatio", "none", "aria-hidden", "true");
    out.empty("rect", "class", "track", "width", 100, "height", 4);
    String width = Format.decimals(100 * Math.clamp(prediction.probability(), 0, 1), 1);
    out.empty(
        "rect", "class", "fill " + prediction.color().cssClass(), "width", width, "height", 4);
    out.close().close();
  }

  private void memory() {
    if (report.memory().isEmpty()) {
      return;
    }
    section("Memory");
    out.open("div", "class", "charts");
    for (Memory memory : report.memory()) {
      out.open("div", "class", "scroll").open("table").element("caption", memory.name());
      out.open("tbody");
      for (Memory.Part part : memory.parts()) {
        out.open("tr").element("td", part.name());
        out.element("td", Format.bytes(part.bytes()), "class", "number");
        out.element("td", Format.percent(part.bytes(), memory.planned()), "class", "number")
            .close();
      }
      total("peak, planned before the run", memory.planned());
      total("peak, measured", memory.measured());
      out.close().close().close();
    }
    out.close().close();
  }

  private void total(String name, long bytes) {
    out.open("tr", "class", "total").element("th", name);
    out.element("td", Format.bytes(bytes), "class", "number");
    out.element("td", Format.count(bytes) + " B", "class", "number").close();
  }

  /** How a page came about. */
  static void facts(Markup out, List<Report.Fact> facts) {
    if (facts.isEmpty()) {
      return;
    }
    section(out, "How this was made");
    out.open("dl");
    for (Report.Fact fact : facts) {
      out.element("dt", fact.name()).element("dd", fact.value());
    }
    out.close().close();
  }
}
