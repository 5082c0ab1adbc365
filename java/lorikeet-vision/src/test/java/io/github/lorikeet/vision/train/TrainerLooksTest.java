// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.core.Device;
import io.github.lorikeet.vision.TestDevices;
import io.github.lorikeet.vision.data.ImageLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** After which epochs a trainer looks at the validation list, and which epoch's values it keeps. */
class TrainerLooksTest {
  @TempDir Path folder;

  private record Run(List<EpochResult> epochs, int kept, double lossAfterwards) {}

  private Run run(String validation, int epochs, int evaluateEvery) throws Exception {
    Path list = SmallStudy.writeList(folder);
    Path looks = Files.writeString(folder.resolve("validation.txt"), validation);
    TrainOptions options = SmallStudy.options(0.05, epochs).withEvaluateEvery(evaluateEvery);
    try (Device device = TestDevices.open(2);
        ImageLoader training = SmallStudy.loader(list, 2);
        ImageLoader loader = SmallStudy.loader(looks, 2);
        Trainer trainer = new Trainer(device, SmallStudy.model(TrainMode.LINEAR_PROBE), options)) {
      List<EpochResult> results = trainer.train(training, loader, new TrainListener() {});
      return new Run(results, trainer.bestEpoch(), trainer.evaluate(loader).loss());
    }
  }

  @Test
  void everySecondEpochAndTheLastAreLookedAt() throws Exception {
    List<EpochResult> epochs = run("image 0.png 0\nimage 1.png 1\n", 5, 2).epochs;
    assertThat(epochs)
        .extracting(epoch -> epoch.validation() != null)
        .containsExactly(false, true, false, true, true);
    assertThat(epochs)
        .extracting(epoch -> Double.isNaN(epoch.validationLoss()))
        .containsExactly(true, false, true, false, false);
  }

  /** One picture under both labels has an AUROC of 1/2 whatever the model; one label has none. */
  @ParameterizedTest
  @CsvSource({"0, 1, 0.5", "1, 1, NaN"})
  void theFirstOfEqualLooksIsKept(int first, int second, double auroc) throws Exception {
    String validation = "image 0.png " + first + "\nimage 0.png " + second + "\n";
    Run run = run(validation, 3, 1);
    assertThat(run.epochs).extracting(epoch -> epoch.validation().mean()).containsOnly(auroc);
    assertThat(run.epochs).extracting(EpochResult::best).containsExactly(true, false, false);
    assertThat(run.kept).isEqualTo(1);
    assertThat(run.lossAfterwards)
        .isEqualTo(run.epochs.getFirst().validationLoss())
        .isNotEqualTo(run.epochs.getLast().validationLoss());
  }
}
