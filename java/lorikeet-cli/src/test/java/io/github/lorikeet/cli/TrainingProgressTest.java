// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.vision.train.EpochResult;
import io.github.lorikeet.vision.train.TrainListener;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class TrainingProgressTest {
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private long now;
  private final Progress progress =
      new Progress(new PrintStream(bytes, true, StandardCharsets.UTF_8), 0, () -> now);
  private final TrainingProgress training =
      new TrainingProgress(progress, 9, 100, 10, 0, () -> false, new TrainListener() {});

  private void epoch(int number, double waitingSeconds) {
    training.onEpoch(
        new EpochResult(number, 0.1, 0.5, Double.NaN, null, false, 40, 100, waitingSeconds));
  }

  @Test
  void muchWaitingForImagesIsNotedOnceAfterTheFirstEpoch() {
    epoch(1, 30);
    epoch(2, 2);
    epoch(3, 10);
    epoch(4, 20);
    assertThat(bytes.toString(StandardCharsets.UTF_8))
        .isEqualTo(
            "note: 25 % of epoch 3 went by waiting for images; more threads or a larger cache of"
                + " them may help\n");
  }

  @Test
  void aLookAtTheValidationListShowsHowFarItIs() {
    progress.begin("LoRA");
    training.onLook(3, 0, 11_218);
    now += 20_000_000_000L;
    training.onLook(3, 64, 11_218);
    assertThat(bytes.toString(StandardCharsets.UTF_8))
        .startsWith("LoRA  epoch 3/9, validation  64/11,218  3.2 images/s");
  }
}
