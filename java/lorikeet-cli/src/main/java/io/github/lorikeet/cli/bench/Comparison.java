// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.github.lorikeet.core.DeviceInfo;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A run held against an earlier one. What is compared is cost, the time of a round over the time
 * the machine's own limit would have allowed in that round, so that a clock that changed between
 * the runs changes nothing.
 */
public final class Comparison {
  /** Beside what names the machine: whether costs are measured against these. */
  private static final String LIMITS = "the machine's limits";

  /** Of fewer rounds the middle halves part by chance in one comparison of twenty. */
  private static final int FEW_ROUNDS = 10;

  /** A slowdown below this is not worth a name, however sharp the measurement. */
  static final double LEAST = 0.05;

  /**
   * A case measured in both runs.
   *
   * @param ratio new median cost over the old one
   * @param outsideSpread whether the middle halves of both runs' rounds do not touch, or where a
   *     run has few rounds, no round of one lies among the other's
   */
  public record Row(String key, double ratio, boolean outsideSpread) {
    /** Whether the case became slower by more than measurements scatter. */
    public boolean isRegression() {
      return outsideSpread && ratio > 1 + LEAST;
    }

    /** Whether it became faster by more than that. */
    public boolean isImprovement() {
      return outsideSpread && ratio < 1 / (1 + LEAST);
    }
  }

  /**
   * An earlier run.
   *
   * @param machine what all its costs depend on, by name
   * @param costs of Lorikeet's own cases, by their keys
   */
  public record Earlier(Path file, Map<String, String> machine, Map<String, Samples> costs) {
    /**
     * Before anything is timed.
     *
     * @param limited whether costs are measured against the machine's limits
     * @throws IllegalArgumentException if nothing of this run could be compared with the earlier
     */
    public void check(List<Case> cases, DeviceInfo device, boolean limited) {
      machineOf(device, limited)
          .forEach(
              (name, now) -> {
                if (!now.equals(machine.get(name))) {
                  throw new IllegalArgumentException(
                      "--compare %s: was measured with %s %s, this run has %s: costs can only be"
                              .formatted(file, name, machine.get(name), now)
                          + " compared where it is the same");
                }
              });
      if (cases.stream().noneMatch(each -> costs.containsKey(each.key()))) {
        throw new IllegalArgumentException(
            "--compare "
                + file
                + ": has none of the cases chosen, such as "
                + cases.getFirst().key());
      }
    }
  }

  private static Map<String, String> machineOf(DeviceInfo device, boolean limited) {
    Map<String, String> machine = new LinkedHashMap<>();
    Results.machine(device).forEach((name, value) -> machine.put(name, String.valueOf(value)));
    machine.put(LIMITS, limited ? "known" : "unknown");
    return machine;
  }

  private Comparison() {}

  /** Rows of the cases that both runs have, in this run's order; peers are left aside. */
  public static List<Row> of(Results now, Earlier before) {
    List<Row> rows = new ArrayList<>();
    for (Measurement measurement : now.all()) {
      Samples old = before.costs().get(measurement.subject().key());
      if (old != null && measurement.peer().isEmpty()) {
        rows.add(row(measurement.subject().key(), measurement.cost(), old));
      }
    }
    return rows;
  }

  static Row row(String key, Samples now, Samples old) {
    boolean few = Math.min(now.values().length, old.values().length) < FEW_ROUNDS;
    double low = few ? 0 : 0.25;
    boolean apart =
        now.quantile(low) > old.quantile(1 - low) || now.quantile(1 - low) < old.quantile(low);
    return new Row(key, now.median() / old.median(), apart);
  }

  /**
   * Reads the costs of Lorikeet's own measurements in a file that {@link Results#asMap} went to.
   *
   * @throws IllegalArgumentException where the file is something else
   */
  public static Earlier read(Path file) {
    try (JsonParser json = new JsonFactory().createParser(file.toFile())) {
      Map<String, String> machine = new LinkedHashMap<>();
      Map<String, Samples> costs = new LinkedHashMap<>();
      while (json.nextToken() != null) {
        if (json.currentToken() == JsonToken.FIELD_NAME
            && json.currentName().equals("measurements")) {
          measurements(json, machine, costs);
        } else if (json.currentToken() == JsonToken.FIELD_NAME) {
          String name = json.currentName();
          json.nextToken();
          machine.put(name, json.getText());
          json.skipChildren();
        }
      }
      if (costs.isEmpty()) {
        throw notResults(file);
      }
      return new Earlier(file, machine, costs);
    } catch (com.fasterxml.jackson.core.JsonProcessingException | NumberFormatException e) {
      throw notResults(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static IllegalArgumentException notResults(Path file) {
    return new IllegalArgumentException(
        "--compare " + file + ": expected a file that lorikeet bench --json wrote");
  }

  private static void measurements(
      JsonParser json, Map<String, String> machine, Map<String, Samples> costs) throws IOException {
    json.nextToken();
    while (json.nextToken() == JsonToken.START_OBJECT) {
      Map<String, String> texts = new LinkedHashMap<>();
      List<Double> cost = new ArrayList<>();
      while (json.nextToken() == JsonToken.FIELD_NAME) {
        String field = json.currentName();
        json.nextToken();
        if (field.equals("cost")) {
          while (json.nextToken() != JsonToken.END_ARRAY) {
            cost.add(json.getDoubleValue());
          }
        } else {
          texts.put(field, json.getText());
          json.skipChildren();
        }
      }
      if ("".equals(texts.get("peer")) && !cost.isEmpty()) {
        String key = texts.get("case") + " " + texts.get("shape") + " " + texts.get("dtype");
        costs.put(key, new Samples(cost.stream().mapToDouble(Double::doubleValue).toArray()));
        boolean limited = Double.parseDouble(texts.getOrDefault("peak_bytes_per_second", "")) > 0;
        machine.put(LIMITS, limited ? "known" : "unknown");
      }
    }
  }
}
