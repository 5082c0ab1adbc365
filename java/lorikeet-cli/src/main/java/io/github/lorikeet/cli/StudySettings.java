// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.StudyTable.Row;
import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.vision.data.StudyData;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * How a study's results were made, by the configurations that its finished runs have kept.
 *
 * @param differences what is otherwise than in the study, by setting; empty if nothing is
 * @param inputs weights and lists, each by what it is
 */
record StudySettings(Map<String, Difference> differences, Map<String, String> inputs) {

  /** Values of all runs, and those that the study has for the same ones. */
  record Difference(Set<String> used, Set<String> study) {
    @Override
    public String toString() {
      return String.join(", ", used) + " instead of " + String.join(", ", study);
    }
  }

  private static final Pattern LEAST_CROP = Pattern.compile("minScale=([^,]+)");

  static StudySettings of(List<Row> rows) {
    StudySettings all = new StudySettings(new LinkedHashMap<>(), new LinkedHashMap<>());
    for (Row row : rows) {
      row.runs().forEach((mode, runs) -> runs.forEach(run -> all.add(row.task(), run)));
    }
    return all;
  }

  private void add(StudyTask task, RunRecord run) {
    Map<String, Object> used = settings(run.config());
    Map<String, Object> study =
        settings(
            parsed(
                new StudyRun(task, run.mode(), 0)
                    .settings(StudyRecipes.IMAGE_SIZE, StudyRun.Scale.NONE)));
    study.forEach((name, value) -> compare(name, used.get(name), value));
    Map<String, Object> config = run.config();
    String weights = "weights of " + task.start().title();
    inputs.put(weights, text(config.get("weights")));
    putIfKnown(weights + ", path", config.get(TrainingFolder.WEIGHTS_PATH));
    putIfKnown(task.data().title() + ", path", config.get(TrainingFolder.LISTS_PATH));
    add(task.data(), task.trainingList(), config.get("train_list"));
    add(task.data(), StudyData.VALIDATION_LIST, config.get("val_list"));
    add(task.data(), StudyData.TEST_LIST, config.get("test_list"));
  }

  private void putIfKnown(String name, Object value) {
    if (value != null) {
      inputs.put(name, value.toString());
    }
  }

  private void add(StudyData data, String list, Object checksum) {
    String name = data.title() + " " + list;
    inputs.put(name, text(checksum));
    compare(name, images(checksum), data.size(list) + " images");
  }

  /** A value of a configuration, which may lack it. */
  private static String text(Object value) {
    return value == null ? "unknown" : value.toString();
  }

  /** Of "54 images 0123abcd". */
  private static String images(Object checksum) {
    return text(checksum).replaceFirst(" images .*", " images");
  }

  private void compare(String name, Object used, Object study) {
    if (!text(used).equals(text(study))) {
      Difference difference =
          differences.computeIfAbsent(
              name, key -> new Difference(new LinkedHashSet<>(), new LinkedHashSet<>()));
      difference.used.add(text(used));
      difference.study.add(text(study));
    }
  }

  /** Those that options of the command change. */
  private static Map<String, Object> settings(Map<String, Object> config) {
    Map<String, Object> settings = new LinkedHashMap<>();
    for (String name :
        List.of("epochs", "warmup", "batch", "lr", "image_size", "evaluate_every", "dtype")) {
      settings.put(name, config.get(name));
    }
    Matcher crop = LEAST_CROP.matcher(String.valueOf(config.get("augment")));
    settings.put("crop_scale", crop.find() ? crop.group(1) : null);
    return settings;
  }

  /** As the values come back from a configuration that was written. */
  private static Map<String, Object> parsed(Map<String, Object> config) {
    try {
      return Json.parse(Json.pretty(config));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** One sentence. */
  String summary() {
    return differences.isEmpty()
        ? "Settings and sizes of the lists as published."
        : "Not as published, but with "
            + differences.entrySet().stream()
                .map(entry -> entry.getKey() + " " + entry.getValue())
                .collect(Collectors.joining("; "))
            + ".";
  }

  Map<String, Object> describe() {
    Map<String, Object> differing = new LinkedHashMap<>();
    differences.forEach(
        (name, difference) -> {
          Map<String, Object> values = new LinkedHashMap<>();
          values.put("used", List.copyOf(difference.used));
          values.put("study", List.copyOf(difference.study));
          differing.put(name, values);
        });
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("as_published", differences.isEmpty());
    all.put("differences", differing);
    all.put("inputs", inputs);
    return all;
  }
}
