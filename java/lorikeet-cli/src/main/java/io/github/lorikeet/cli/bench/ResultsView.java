// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.TextTable;
import io.github.lorikeet.cli.report.BenchmarkPage;
import io.github.lorikeet.cli.report.Chart;
import io.github.lorikeet.cli.report.Color;
import io.github.lorikeet.cli.report.Report.Fact;
import io.github.lorikeet.core.DeviceInfo;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Results as people read them: a table for the terminal, and a page with a roofline. */
public final class ResultsView {
  private static final String[] HEADER = {
    "case",
    "shape",
    "dtype",
    "median",
    "min",
    "spread",
    "GFLOP/s",
    "GB/s",
    "of peak",
    "of memory",
    "of a loop",
    "heap/run",
    "allocations",
    "memory"
  };

  private final Results results;

  public ResultsView(Results results) {
    this.results = results;
  }

  /**
   * A row a measurement; peers stand under the case that they do, with how much longer they take.
   */
  public String table() {
    TextTable table = new TextTable(HEADER);
    for (List<String> row : rows()) {
      table.row(row.toArray(String[]::new));
    }
    return table.toString();
  }

  private List<List<String>> rows() {
    List<List<String>> rows = new ArrayList<>();
    double own = Double.NaN;
    for (Measurement m : results.all()) {
      boolean peer = !m.peer().isEmpty();
      own = peer ? own : m.seconds().median();
      String ratio = Format.decimals(m.seconds().median() / own, 2) + "x our time";
      rows.add(
          List.of(
              peer ? "  " + m.peer() : m.subject().name(),
              peer ? ratio : m.subject().shape(),
              m.subject().dtype(),
              time(m.seconds().median()),
              time(m.seconds().min()),
              Format.percent(m.seconds().spread(), 1),
              rate(m.operationsPerSecond()),
              rate(m.bytesPerSecond()),
              Format.decimals(m.ofArithmetic(), 2),
              Format.decimals(m.ofMemory(), 2),
              Format.decimals(m.ofPass(), 2),
              peer ? "" : Format.bytes(m.heapBytes()),
              peer ? "" : Format.count(m.nativeAllocations()),
              peer ? "" : Format.bytes(m.peakBytes())));
    }
    return rows;
  }

  private static String time(double seconds) {
    return seconds < 1e-3
        ? Format.decimals(seconds * 1e6, 1) + " us"
        : seconds < 1 ? Format.decimals(seconds * 1e3, 2) + " ms" : Format.seconds(seconds);
  }

  private static String rate(double perSecond) {
    return perSecond > 0 ? Format.decimals(perSecond * 1e-9, 1) : "";
  }

  /** What the figures were measured on and against. */
  public List<Fact> facts() {
    DeviceInfo device = results.device();
    List<Fact> facts = new ArrayList<>();
    facts.add(new Fact("device", device.name() + ": " + device.processor() + ", " + device.isa()));
    facts.add(new Fact("threads", String.valueOf(device.threads())));
    Map<String, List<Measurement>> types = new LinkedHashMap<>();
    for (Measurement m : results.all()) {
      if (m.arithmetic().median() > 0) {
        types.computeIfAbsent(m.subject().dtype(), t -> new ArrayList<>()).add(m);
      }
    }
    types.forEach(
        (type, all) -> facts.add(new Fact("peak, " + type, range(peaks(all), "GFLOP/s"))));
    List<Double> memory =
        results.all().stream().map(m -> m.memory().median() * 1e-9).filter(b -> b > 0).toList();
    if (!memory.isEmpty()) {
      facts.add(new Fact("memory", range(memory, "GB/s")));
    }
    facts.add(new Fact("version", results.version()));
    facts.add(new Fact("time", results.when().toString()));
    return facts;
  }

  private static List<Double> peaks(List<Measurement> all) {
    return all.stream().map(m -> m.arithmetic().median() * 1e-9).toList();
  }

  private static String range(List<Double> values, String unit) {
    double low = values.stream().mapToDouble(Double::doubleValue).min().orElse(0);
    double high = values.stream().mapToDouble(Double::doubleValue).max().orElse(0);
    return String.format(Locale.ROOT, "%.1f to %.1f %s, beside each case", low, high, unit);
  }

  /** One HTML page that needs nothing else. */
  public String page(List<String> notes) {
    List<String> summary = new ArrayList<>();
    summary.add(
        "Every time is a median beside the machine's own limits, measured in the same rounds.");
    summary.addAll(notes);
    List<Fact> facts = facts();
    return BenchmarkPage.of(
        "Lorikeet benchmarks", summary, roofline(), List.of(HEADER), rows(), facts);
  }

  /**
   * Rate over intensity, with the roof that the machine's limits make; null where there is nothing
   * to draw.
   */
  private Chart roofline() {
    List<Measurement> drawn =
        results.all().stream()
            .filter(m -> m.subject().work().operations() > 0 && m.subject().work().bytes() > 0)
            .toList();
    if (drawn.isEmpty()) {
      return null;
    }
    List<Chart.Line> lines = new ArrayList<>();
    double most = drawn.stream().mapToDouble(ResultsView::intensity).max().orElse(1);
    double least = drawn.stream().mapToDouble(ResultsView::intensity).min().orElse(1);
    double peak = new Samples(medians(drawn, true)).median();
    double bandwidth = new Samples(medians(drawn, false)).median();
    if (peak > 0 && bandwidth > 0) {
      double ridge = peak / bandwidth;
      double from = Math.min(least, ridge / 4);
      double to = Math.max(most, ridge * 4);
      lines.add(
          new Chart.Line(
              "the machine's limits",
              Color.GREY,
              new double[] {from, ridge, to},
              new double[] {from * bandwidth * 1e-9, peak * 1e-9, peak * 1e-9}));
    }
    for (Measurement m : drawn) {
      lines.add(
          new Chart.Line(
              m.peer().isEmpty() ? m.subject().key() : m.peer() + ": " + m.subject().key(),
              m.peer().isEmpty() ? Color.BLUE : Color.ORANGE,
              new double[] {intensity(m)},
              new double[] {m.operationsPerSecond() * 1e-9}));
    }
    return new Chart(
        "Roofline: what was reached, below what the machine can do",
        Chart.Axis.logarithmic("operations a byte"),
        Chart.Axis.logarithmic("GFLOP/s"),
        lines,
        false);
  }

  private static double[] medians(List<Measurement> all, boolean arithmetic) {
    return all.stream()
        .mapToDouble(m -> (arithmetic ? m.arithmetic() : m.memory()).median())
        .toArray();
  }

  private static double intensity(Measurement m) {
    return m.subject().work().operations() / m.subject().work().bytes();
  }
}
