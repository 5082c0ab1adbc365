// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
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
  /** A slowdown below this is not worth a name, however sharp the measurement. */
  static final double LEAST = 0.05;

  /**
   * A case measured in both runs.
   *
   * @param ratio new median cost over the old one
   * @param outsideSpread whether the middle halves of both runs' rounds do not touch
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

  private Comparison() {}

  /** Rows of the cases that both runs have, in this run's order; peers are left aside. */
  public static List<Row> of(Results now, Map<String, Samples> before) {
    List<Row> rows = new ArrayList<>();
    for (Measurement measurement : now.all()) {
      Samples old = before.get(measurement.subject().key());
      if (old != null && measurement.peer().isEmpty()) {
        rows.add(row(measurement.subject().key(), measurement.cost(), old));
      }
    }
    return rows;
  }

  static Row row(String key, Samples now, Samples old) {
    boolean apart =
        now.quantile(0.25) > old.quantile(0.75) || now.quantile(0.75) < old.quantile(0.25);
    return new Row(key, now.median() / old.median(), apart);
  }

  /**
   * Reads the costs of Lorikeet's own measurements in a file that {@link Results#asMap} went to.
   *
   * @throws IllegalArgumentException where the file is something else
   */
  public static Map<String, Samples> read(Path file) {
    try (JsonParser json = new JsonFactory().createParser(file.toFile())) {
      Map<String, Samples> costs = new LinkedHashMap<>();
      while (json.nextToken() != null) {
        if (json.currentToken() == JsonToken.FIELD_NAME
            && json.currentName().equals("measurements")) {
          measurements(json, costs);
        } else if (json.currentToken() == JsonToken.FIELD_NAME) {
          json.nextToken();
          json.skipChildren();
        }
      }
      if (costs.isEmpty()) {
        throw notResults(file);
      }
      return costs;
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

  private static void measurements(JsonParser json, Map<String, Samples> costs) throws IOException {
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
      }
    }
  }
}
