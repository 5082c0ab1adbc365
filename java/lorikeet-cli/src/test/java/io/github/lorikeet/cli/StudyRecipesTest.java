// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.vision.train.TrainMode;
import io.github.lorikeet.vision.train.TrainOptions;
import io.github.lorikeet.vision.train.TrainOptions.OptimizerKind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StudyRecipesTest {
  /** Batches of 64: AdamW's base rates are for 256 images, so the rate is a quarter. */
  @ParameterizedTest
  @CsvSource({
    "mrm/nih/1, SGD, 100, .05, 4",
    "mrm/nih/10, SGD, 100, .05, 8",
    "mrm/nih/100, SGD, 100, .2, 32",
    "mrm/chexpert/1, SGD, 100, .02, 4",
    "mrm/chexpert/10, SGD, 100, .05, 16",
    "mrm/chexpert/100, SGD, 100, .01, 32",
    "mrm/rsna/1, SGD, 100, .01, 4",
    "mrm/rsna/10, SGD, 100, .01, 32",
    "mrm/rsna/100, SGD, 100, .01, 32",
    "cxr-mae/nih/1, ADAMW, 400, .00075, 4",
    "cxr-mae/nih/10, ADAMW, 200, .00025, 8",
    "cxr-mae/nih/100, ADAMW, 100, .00075, 32",
    "cxr-mae/chexpert/1, ADAMW, 400, .00075, 4",
    "cxr-mae/chexpert/10, ADAMW, 100, .00125, 8",
    "cxr-mae/chexpert/100, ADAMW, 100, .00075, 32",
    "cxr-mae/rsna/1, ADAMW, 100, .00075, 4",
    "cxr-mae/rsna/10, ADAMW, 100, .00125, 8",
    "cxr-mae/rsna/100, ADAMW, 100, .00125, 32",
  })
  void loraIsTrainedAsPublished(
      String id, OptimizerKind optimizer, int epochs, double rate, int rank) {
    StudyTask task = StudyTask.named(id);
    assertThat(task.id()).isEqualTo(id);
    assertThat(task.recipe(TrainMode.LORA).rank()).isEqualTo(rank);
    TrainOptions options = new StudyRun(task, TrainMode.LORA, 7).options(224, StudyRun.Scale.NONE);
    assertThat(options.optimizer()).isEqualTo(optimizer);
    assertThat(options.epochs()).isEqualTo(epochs);
    assertThat(options.learningRate()).isCloseTo(rate, within(1e-12));
    assertThat(options.minimumLearningRate()).isEqualTo(1e-6);
    assertThat(options.warmupEpochs()).isEqualTo(5);
    assertThat(options.batch()).isEqualTo(64);
    assertThat(options.dropPath()).isEqualTo(.1);
    assertThat(options.weightDecay()).isEqualTo(optimizer == OptimizerKind.SGD ? 0 : .05);
    assertThat(options.layerDecay()).isEqualTo(optimizer == OptimizerKind.SGD ? 1 : .65);
    assertThat(options.seed()).isEqualTo(7);
    assertThat(options.augment().minScale()).isEqualTo(.08);
    assertThat(options.augment().erase()).isEqualTo(optimizer == OptimizerKind.SGD ? 0 : .25);
    assertThat(options.augment().randAugment() != null).isEqualTo(optimizer == OptimizerKind.ADAMW);
  }

  @Test
  void everythingIsTrainedAsPublished() {
    TrainOptions mrm =
        new StudyRun(StudyTask.named("mrm/rsna/10"), TrainMode.FULL, 0)
            .options(224, StudyRun.Scale.NONE);
    assertThat(mrm.optimizer()).isEqualTo(OptimizerKind.SGD);
    assertThat(mrm.epochs()).isEqualTo(200);
    assertThat(mrm.learningRate()).isEqualTo(.01);
    TrainOptions mae =
        new StudyRun(StudyTask.named("cxr-mae/nih/1"), TrainMode.FULL, 0)
            .options(224, StudyRun.Scale.NONE);
    assertThat(mae.optimizer()).isEqualTo(OptimizerKind.ADAMW);
    assertThat(mae.epochs()).isEqualTo(400);
    assertThat(mae.learningRate()).isCloseTo(.000125, within(1e-12));
    assertThat(StudyTask.all()).hasSize(18).doesNotHaveDuplicates();
  }

  @Test
  void aShorterStudyHasAShorterWarmUp() {
    StudyRun.Scale scale = new StudyRun.Scale(4, 8, 0, .5, 2, 2, DType.F32);
    TrainOptions options =
        new StudyRun(StudyTask.named("cxr-mae/nih/1"), TrainMode.LORA, 0).options(64, scale);
    assertThat(options.warmupEpochs()).isCloseTo(5 * 4 / 400.0, within(1e-12));
    assertThat(options.learningRate()).isCloseTo(2 * 3e-3 * 8 / 256, within(1e-12));
    assertThat(options.evaluateEvery()).isEqualTo(2);
  }

  @Test
  void otherTasksAreRefused() {
    assertThatThrownBy(() -> StudyTask.named("mrm/nih/5")).hasMessageContaining("mrm/nih/1");
    assertThatThrownBy(() -> StudyTask.named("dino/nih/1")).hasMessageContaining("mrm or cxr-mae");
    assertThatThrownBy(() -> StudyTask.named("mrm/mimic/1")).hasMessageContaining("chexpert");
  }
}
