// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.image.RandAugment;
import io.github.lorikeet.vision.train.TrainOptions;
import io.github.lorikeet.vision.train.TrainOptions.OptimizerKind;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** What is trained with, by what stands on the command line. */
class TrainingOptionsTest {
  private static TrainOptions parse(String... words) {
    return CommandLine.populateCommand(new TrainingOptions(), words).options(48);
  }

  @Test
  void everySettingArrivesWhereItTakesEffect() {
    String words =
        "--optimizer adamw --lr 0.003 --warmup 1.5 --epochs 7 --batch 6 --accumulate 2"
            + " --drop-path 0.1 --weight-decay 0.05 --layer-decay 0.65 --clip 3 --crop-scale 0.3"
            + " --rand-augment --erase 0.25 --seed 9 --evaluate-every 4";
    assertThat(parse(words.split(" ")))
        .isEqualTo(
            new TrainOptions(
                OptimizerKind.ADAMW,
                0.003,
                1e-6,
                1.5,
                7,
                6,
                2,
                0.1,
                0.05,
                0.65,
                3,
                new Augment(48, 0.3, 1, 3.0 / 4, 4.0 / 3, 0.5, RandAugment.STANDARD, 0.25),
                9,
                4,
                DType.F32));
  }

  @Test
  void withoutAnyItIsPlainSgd() {
    assertThat(parse())
        .isEqualTo(
            new TrainOptions(
                OptimizerKind.SGD,
                0.02,
                1e-6,
                5,
                50,
                32,
                1,
                0,
                0,
                1,
                0,
                new Augment(48, 0.08, 1, 3.0 / 4, 4.0 / 3, 0.5),
                0,
                1,
                DType.F32));
  }

  @Test
  void aSmallRateHasNoGreaterEnd() {
    assertThat(parse("--lr", "1e-7").minimumLearningRate()).isEqualTo(1e-7);
  }

  /** 0.5 for 256 images an update, of which there are 2 x 64. */
  @Test
  void aBaseRateIsForAsManyImagesAsAnUpdateHas() {
    TrainOptions options = parse("--base-lr", "0.5", "--batch", "64", "--accumulate", "2");
    assertThat(options.learningRate()).isEqualTo(0.25);
  }
}
