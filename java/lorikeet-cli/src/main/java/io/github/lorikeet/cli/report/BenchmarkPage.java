// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.report;

import io.github.lorikeet.cli.report.Report.Fact;
import java.util.List;

/** Benchmark results as one HTML page: a roofline, a table, and what it was measured on. */
public final class BenchmarkPage {
  private BenchmarkPage() {}

  /**
   * @param chart null for none
   * @param rows of as many cells as the header, of which the first three are names
   */
  public static String of(
      String title,
      List<String> summary,
      Chart chart,
      List<String> header,
      List<List<String>> rows,
      List<Fact> facts) {
    Markup out = new Markup();
    HtmlReport.open(out, title);
    summary.forEach(sentence -> out.element("p", sentence, "class", "summary"));
    if (chart != null) {
      out.open("section").element("h2", chart.title()).open("figure");
      ChartSvg.draw(chart, out);
      out.element("figcaption", "Point at a dot to read what it is.").close().close();
    }
    out.open("section").element("h2", "Cases").open("div", "class", "scroll").open("table");
    out.open("thead").open("tr");
    row(out, "th", header);
    out.close().close().open("tbody");
    for (List<String> cells : rows) {
      out.open("tr");
      row(out, "td", cells);
      out.close();
    }
    out.close().close().close().close();
    HtmlReport.facts(out, facts);
    HtmlReport.close(out);
    return out.toString();
  }

  private static void row(Markup out, String element, List<String> cells) {
    for (int i = 0; i < cells.size(); i++) {
      out.element(element, cells.get(i), "class", i < 3 ? "name" : "number");
    }
  }
}
