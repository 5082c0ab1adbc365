// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.core.Device;
import io.github.lorikeet.vision.TestDevices;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.Augment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DivergenceTest {
  @TempDir Path folder;

  /** No loss of an update comes after the only one: the look has to tell. */
  @Test
  void anEpochWhoseLookHasNoLossIsNeitherToldNorKept() throws Exception {
    Augment augment = Augment.sgd(SmallStudy.CONFIG.imageSize());
    TrainOptions options = TrainOptions.sgd(1e30, 0, 1, SmallStudy.IMAGES, augment, 5);
    List<EpochResult> told = new ArrayList<>();
    TrainListener listener =
        new TrainListener() {
          @Override
          public void onEpoch(EpochResult epoch) {
            told.add(epoch);
          }
        };
    try (Device device = TestDevices.open(1);
        ImageLoader loader = SmallStudy.loader(SmallStudy.writeList(folder), 1);
        Trainer trainer = new Trainer(device, SmallStudy.model(TrainMode.LORA), options)) {
      assertThatThrownBy(() -> trainer.train(loader, loader, listener))
          .isInstanceOf(TrainingException.class)
          .hasMessage(
              "the validation loss became NaN in epoch 1, at a learning rate of 1.0E30: try a"
                  + " lower --lr or --clip 1");
      assertThat(told).isEmpty();
      assertThat(trainer.bestEpoch()).isZero();
    }
  }
}
