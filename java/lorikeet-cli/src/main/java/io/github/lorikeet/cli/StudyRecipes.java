// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.vision.data.StudyData;
import io.github.lorikeet.vision.train.TrainMode;
import io.github.lorikeet.vision.train.TrainOptions.OptimizerKind;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The settings of Lian, Zhou, Yu and Wang, "Less Could Be Better: Parameter-efficient Fine-tuning
 * Advances Medical Vision Foundation Models" (arXiv 2401.12215), read from its public code
 * (RL4M/MED-PEFT), and the figures it and "MRM" (Zhou et al., arXiv 2301.13155) publish.
 */
final class StudyRecipes {
  static final List<Integer> PERCENTS = List.of(1, 10, 100);
  static final int BATCH = 64;

  /** Of both starts. */
  static final int IMAGE_SIZE = 224;

  static final double WARMUP_EPOCHS = 5;
  static final double MINIMUM_LEARNING_RATE = 1e-6;
  static final double DROP_PATH = 0.1;
  static final float LORA_ALPHA = 32;
  static final float LORA_DROPOUT = 0.1f;

  /** AdamW only; of matrices. */
  static final double WEIGHT_DECAY = 0.05;

  /** AdamW only. */
  static final double LAYER_DECAY = 0.65;

  /** AdamW only, beside RandAugment: of a view with an erased part. */
  static final double ERASE_PROBABILITY = 0.25;

  /** AdamW's rates are for so many images an update, and scaled by how many there are. */
  private static final double BASE_BATCH = 256;

  /** A foundation model to start from, and how its authors prepare images. */
  enum Start {
    MRM("mrm", "MRM", OptimizerKind.SGD),
    CXR_MAE("cxr-mae", "CXR_MAE", OptimizerKind.ADAMW);

    private final String id;
    private final String title;
    private final OptimizerKind optimizer;

    Start(String id, String title, OptimizerKind optimizer) {
      this.id = id;
      this.title = title;
      this.optimizer = optimizer;
    }

    /** What the command line calls it, and the name of its image recipe. */
    String id() {
      return id;
    }

    String title() {
      return title;
    }

    OptimizerKind optimizer() {
      return optimizer;
    }

    static Start named(String id) {
      return Arrays.stream(values())
          .filter(start -> start.id.equals(id))
          .findFirst()
          .orElseThrow(
              () ->
                  new IllegalArgumentException(
                      "start '"
                          + id
                          + "': expected "
                          + Arrays.stream(values())
                              .map(Start::id)
                              .collect(Collectors.joining(" or "))));
    }
  }

  /**
   * What differs between tasks.
   *
   * @param epochs passes over the training list
   * @param rate SGD: the learning rate; AdamW: that of 256 images an update
   * @param rank of LoRA, 0 without
   */
  record Recipe(OptimizerKind optimizer, int epochs, double rate, int rank) {
    /** The learning rate after the warm-up with so many images an update. */
    double learningRate(int images) {
      return optimizer == OptimizerKind.SGD ? rate : rate * images / BASE_BATCH;
    }
  }

  /** LoRA: epochs, learning rate (AdamW: of 256 images) and rank with 1, 10 and 100 % of labels. */
  private static final Map<String, List<Recipe>> LORA =
      Map.of(
          "mrm/nih", List.of(sgd(100, .05, 4), sgd(100, .05, 8), sgd(100, .2, 32)),
          "mrm/chexpert", List.of(sgd(100, .02, 4), sgd(100, .05, 16), sgd(100, .01, 32)),
          "mrm/rsna", List.of(sgd(100, .01, 4), sgd(100, .01, 32), sgd(100, .01, 32)),
          "cxr-mae/nih", List.of(adamw(400, 3e-3, 4), adamw(200, 1e-3, 8), adamw(100, 3e-3, 32)),
          "cxr-mae/chexpert",
              List.of(adamw(400, 3e-3, 4), adamw(100, 5e-3, 8), adamw(100, 3e-3, 32)),
          "cxr-mae/rsna", List.of(adamw(100, 3e-3, 4), adamw(100, 5e-3, 8), adamw(100, 5e-3, 32)));

  private static final Map<Start, Recipe> FULL =
      Map.of(Start.MRM, sgd(200, 1e-2, 0), Start.CXR_MAE, adamw(400, 5e-4, 0));

  /**
   * Published AUROCs in percent by method and task: LoRA in arXiv 2401.12215, full fine-tuning in
   * arXiv 2301.13155.
   */
  private static final Map<TrainMode, Map<String, Double>> PUBLISHED =
      Map.of(
          TrainMode.LORA,
          Map.of("mrm/nih/1", 80.6),
          TrainMode.FULL,
          Map.of(
              "mrm/nih/1", 79.4,
              "mrm/chexpert/1", 88.5,
              "mrm/chexpert/100", 88.7,
              "mrm/rsna/100", 93.3));

  private StudyRecipes() {}

  private static Recipe sgd(int epochs, double rate, int rank) {
    return new Recipe(OptimizerKind.SGD, epochs, rate, rank);
  }

  private static Recipe adamw(int epochs, double baseRate, int rank) {
    return new Recipe(OptimizerKind.ADAMW, epochs, baseRate, rank);
  }

  /**
   * The settings of a task. The study trains no linear probes; they get LoRA's settings of the same
   * task here.
   *
   * @param percent 1, 10 or 100
   */
  static Recipe of(Start start, StudyData data, int percent, TrainMode mode) {
    if (mode == TrainMode.FULL) {
      return FULL.get(start);
    }
    Recipe lora = LORA.get(start.id() + "/" + data.id()).get(PERCENTS.indexOf(percent));
    return mode == TrainMode.LORA
        ? lora
        : new Recipe(lora.optimizer(), lora.epochs(), lora.rate(), 0);
  }

  /**
   * A published test AUROC in percent, NaN where none is known here.
   *
   * @param task such as {@code mrm/nih/1}
   */
  static double published(String task, TrainMode mode) {
    return PUBLISHED.getOrDefault(mode, Map.of()).getOrDefault(task, Double.NaN);
  }
}
