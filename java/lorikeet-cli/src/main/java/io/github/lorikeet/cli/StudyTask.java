// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.StudyRecipes.Start;
import io.github.lorikeet.vision.data.StudyData;
import io.github.lorikeet.vision.train.TrainMode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * One of the study's transfer tasks.
 *
 * @param percent of the labels: 1, 10 or 100
 */
record StudyTask(Start start, StudyData data, int percent) {

  /** All eighteen, in the order of the study's table. */
  static List<StudyTask> all() {
    List<StudyTask> tasks = new ArrayList<>();
    for (Start start : Start.values()) {
      for (StudyData data : StudyData.values()) {
        for (int percent : StudyRecipes.PERCENTS) {
          tasks.add(new StudyTask(start, data, percent));
        }
      }
    }
    return tasks;
  }

  /** The task called as {@code mrm/nih/1}. */
  static StudyTask named(String id) {
    String[] parts = id.split("/", -1);
    if (parts.length == 3
        && StudyRecipes.PERCENTS.stream().anyMatch(p -> parts[2].equals("" + p))) {
      return new StudyTask(
          Start.named(parts[0]), StudyData.named(parts[1]), Integer.parseInt(parts[2]));
    }
    throw new IllegalArgumentException(
        "task '" + id + "': expected start/data/percent, such as mrm/nih/1");
  }

  String id() {
    return start.id() + "/" + data.id() + "/" + percent;
  }

  String title() {
    return start.title() + ", " + data.title() + ", " + percent + " %";
  }

  /** File name of the list to train on. */
  String trainingList() {
    return StudyData.trainingList(percent);
  }

  StudyRecipes.Recipe recipe(TrainMode mode) {
    return StudyRecipes.of(start, data, percent, mode);
  }

  /** The method called as on the command line. */
  static TrainMode method(String name) {
    return Arrays.stream(TrainMode.values())
        .filter(mode -> mode.toString().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "method '" + name + "': expected lora, full or linear-probe"));
  }
}
