// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.autograd.AdamW;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Optimizer;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.TestDevices;
import io.github.lorikeet.vision.data.Batches;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.train.TrainOptions.OptimizerKind;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A trainer's updates beside the same ones made from a tape and an optimiser. */
class TrainerStepsTest {
  private static final int BATCH = 4;
  private static final int ACCUMULATE = 2;
  private static final int UPDATES = SmallStudy.IMAGES / BATCH / ACCUMULATE;
  private static final int EPOCHS = 2;
  private static final long SEED = 5;
  private static final double PEAK = 0.01;
  private static final double LEAST = 1e-4;
  private static final double DROP_PATH = 0.5;
  private static final double WEIGHT_DECAY = 0.05;
  private static final double LAYER_DECAY = 0.65;
  private static final double CLIP = 1e-3;
  private static final Augment AUGMENT =
      new Augment(SmallStudy.CONFIG.imageSize(), 0.7, 1, 0.9, 1.1, 0.5);

  @TempDir Path folder;

  /** Of one epoch of warm-up from 0 and one along half a cosine. */
  private static double learningRate(int epoch, int update) {
    double done = (double) update / UPDATES;
    return epoch == 0
        ? PEAK * done
        : LEAST + (PEAK - LEAST) * 0.5 * (1 + StrictMath.cos(Math.PI * done));
  }

  @Test
  void everySettingReachesTheUpdates() throws Exception {
    TrainOptions options =
        new TrainOptions(
            OptimizerKind.ADAMW,
            PEAK,
            LEAST,
            1,
            EPOCHS,
            BATCH,
            ACCUMULATE,
            DROP_PATH,
            WEIGHT_DECAY,
            LAYER_DECAY,
            CLIP,
            AUGMENT,
            SEED,
            EPOCHS,
            DType.F32);
    VisionTransformer model = SmallStudy.model(TrainMode.FULL);
    try (Device device = TestDevices.open(2);
        ImageLoader loader = SmallStudy.loader(SmallStudy.writeList(folder), 2)) {
      Map<String, float[]> expected = trainedByHand(device, loader);
      try (Trainer trainer = new Trainer(device, model, options)) {
        List<EpochResult> epochs = trainer.train(loader, loader, new TrainListener() {});
        assertThat(UPDATES).isEqualTo(3);
        // Two thirds of the warm-up; two thirds down the cosine, where it is -1/2.
        assertThat(epochs.get(0).learningRate()).isCloseTo(PEAK * 2 / 3, within(1e-15));
        assertThat(epochs.get(1).learningRate())
            .isCloseTo(LEAST + (PEAK - LEAST) / 4, within(1e-15));
        Map<String, float[]> trained = SmallStudy.trained(model);
        assertThat(trained.keySet()).isEqualTo(expected.keySet());
        trained.forEach((name, v) -> assertThat(v).as(name).containsExactly(expected.get(name)));
      }
    }
  }

  private static Map<String, float[]> trainedByHand(Device device, ImageLoader loader)
      throws Exception {
    VisionTransformer model = SmallStudy.model(TrainMode.FULL);
    ParameterGroups.apply(model.parameters(), model.config().depth(), WEIGHT_DECAY, LAYER_DECAY);
    Optimizer optimizer = new AdamW(0.9f, 0.999f, 1e-8f).clipGradientNorm((float) CLIP);
    Tape tape = new Tape(device, true, SEED);
    int passes = 0;
    try (HostBatch inputs = new HostBatch(tape, BATCH, model.config().imageSize(), 1)) {
      Variable logits = model.forward(tape, inputs.images(), (float) DROP_PATH);
      tape.backward(tape.bceWithLogits(logits, inputs.targets()), 1f / ACCUMULATE);
      try (MemoryPlan plan = MemoryPlan.of(optimizer, tape)) {
        plan.allocate();
        for (int epoch = 0; epoch < EPOCHS; epoch++) {
          try (Batches batches = loader.training(BATCH, AUGMENT, SEED, epoch)) {
            for (int update = 0; update < UPDATES; update++) {
              for (int pass = 0; pass < ACCUMULATE; pass++) {
                inputs.fill(batches);
                tape.run(passes++, pass > 0);
              }
              optimizer.step((float) learningRate(epoch, update));
              assertThat(optimizer.gradientNorm()).as("clipped").isGreaterThan((float) CLIP);
            }
          }
        }
        return SmallStudy.trained(model);
      }
    }
  }
}
