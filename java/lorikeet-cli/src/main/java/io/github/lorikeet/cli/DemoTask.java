// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.report.Color;
import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.train.TrainMode;
import io.github.lorikeet.vision.train.TrainOptions;
import java.util.ArrayList;
import java.util.List;

/**
 * One row of the demo's table: a method on one fraction of the labels.
 *
 * @param group what rows are compared within
 * @param list training list, beside the sample images
 * @param mode what is trained
 * @param randomStart whether from random values instead of the shipped start
 * @param rank of LoRA
 * @param learningRate after the warm-up
 * @param epochs passes over the list
 * @param batch images a step
 * @param seeds runs
 */
record DemoTask(
    String group,
    String list,
    TrainMode mode,
    boolean randomStart,
    int rank,
    double learningRate,
    int epochs,
    int batch,
    int seeds) {

  /**
   * Least share of an image that a random crop keeps: radiographs lose their sense in small crops.
   */
  private static final double CROP_SCALE = 0.5;

  /** Looks at the validation list in a run. */
  private static final int LOOKS = 5;

  /**
   * @param seeds runs of each method on few labels
   */
  static List<DemoTask> all(int seeds) {
    List<DemoTask> tasks = new ArrayList<>();
    String few = "54 labels";
    tasks.add(new DemoTask(few, "train_10.txt", TrainMode.LORA, false, 4, 0.02, 50, 27, seeds));
    tasks.add(
        new DemoTask(few, "train_10.txt", TrainMode.LINEAR_PROBE, false, 0, 0.1, 50, 27, seeds));
    tasks.add(new DemoTask(few, "train_10.txt", TrainMode.FULL, false, 0, 0.01, 50, 27, seeds));
    tasks.add(new DemoTask(few, "train_10.txt", TrainMode.FULL, true, 0, 0.01, 50, 27, seeds));
    String every = "550 labels";
    tasks.add(new DemoTask(every, "train_list.txt", TrainMode.LORA, false, 8, 0.05, 10, 32, 1));
    tasks.add(
        new DemoTask(every, "train_list.txt", TrainMode.LINEAR_PROBE, false, 0, 0.1, 10, 32, 1));
    tasks.add(new DemoTask(every, "train_list.txt", TrainMode.FULL, false, 0, 0.01, 10, 32, 1));
    return tasks;
  }

  String method() {
    return Methods.name(mode, rank) + (randomStart ? ", random start" : "");
  }

  Color color() {
    return randomStart ? Color.GREY : Methods.color(mode);
  }

  TrainOptions options(int imageSize, long seed) {
    return TrainOptions.sgd(
            learningRate,
            epochs / 10.0,
            epochs,
            batch,
            Augment.sgd(imageSize).withScale(CROP_SCALE, 1),
            seed)
        .withEvaluateEvery(epochs / LOOKS);
  }
}
