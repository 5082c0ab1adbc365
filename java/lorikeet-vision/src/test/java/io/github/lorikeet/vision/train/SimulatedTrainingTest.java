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
import io.github.lorikeet.core.autograd.Sgd;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.LoraTargets;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.model.VitConfig;
import io.github.lorikeet.vision.model.WeightSource;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Training over the CUDA kernels, run on the CPU, beside training over the CPU's own. */
class SimulatedTrainingTest {
  private static final VitConfig CONFIG = new VitConfig(64, 8, 1, 64, 2, 1, 128, true);
  private static final int BATCH = 2;
  private static final int STEPS = 20;

  @ParameterizedTest
  @EnumSource(
      value = TrainMode.class,
      names = {"LORA", "FULL"})
  void lossesFollowTheProcessors(TrainMode mode) {
    double[] expected = losses("cpu", DType.F32, mode);
    assertThat(expected[STEPS - 1]).as("the loss falls").isLessThan(0.9 * expected[0]);
    assertFollows(expected, losses("simt:up", DType.F32, mode), 1e-4);
    assertFollows(expected, losses("cpu", DType.BF16, mode), 0.01);
    assertFollows(expected, losses("simt:up", DType.BF16, mode), 0.01);
  }

  @Test
  void pretrainingFollowsTheProcessors(@TempDir Path folder) throws Exception {
    Path list = SmallStudy.writeList(folder);
    try (Device cpu = Device.open("cpu", 2);
        Device simulated = Device.open("simt:up", 2)) {
      double expected = PretrainerTest.lastLoss(list, cpu, 2);
      assertThat(PretrainerTest.lastLoss(list, simulated, 2))
          .isCloseTo(expected, within(1e-4 * expected));
    }
  }

  private static void assertFollows(double[] expected, double[] losses, double tolerance) {
    for (int step = 0; step < STEPS; step++) {
      assertThat(losses[step])
          .as("loss of step %d", step)
          .isCloseTo(expected[step], within(tolerance * expected[step]));
    }
  }

  private static double[] losses(String name, DType activations, TrainMode mode) {
    VisionTransformer model =
        new VisionTransformer(CONFIG, 1, WeightSource.none(), new Initializer(3), mode::trains);
    if (mode == TrainMode.LORA) {
      model.attachLora(LoraTargets.QUERY_VALUE, 4, 32, 0.1f);
    }
    SplittableRandom random = new SplittableRandom(5);
    double[] losses = new double[STEPS];
    // SGD's steps show how long a gradient is, AdamW's do not.
    boolean sgd = mode == TrainMode.FULL;
    Optimizer optimizer = sgd ? new Sgd(0.9f) : new AdamW(0.9f, 0.999f, 1e-8f);
    try (Device device = Device.open(name, 2)) {
      Tape tape = new Tape(device, true, 0, activations);
      Variable input = tape.input(DType.F32, BATCH, 1, 64, 64);
      Variable targets = tape.input(DType.F32, BATCH, 1);
      Variable loss = tape.keep(tape.bceWithLogits(model.forward(tape, input, 0.1f), targets));
      tape.backward(loss);
      try (MemoryPlan plan = MemoryPlan.of(optimizer, tape)) {
        plan.allocate();
        targets.tensor().upload(new float[] {0, 1});
        for (int step = 0; step < STEPS; step++) {
          input.tensor().upload(brightAndDark(random));
          tape.run(step, false);
          losses[step] = loss.tensor().download()[0];
          optimizer.step(sgd ? 0.02f : 3e-3f);
        }
      }
    }
    return losses;
  }

  private static float[] brightAndDark(SplittableRandom random) {
    float[] pixels = new float[BATCH * 64 * 64];
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = (float) random.nextDouble() + (i < pixels.length / 2 ? -1 : 0.2f);
    }
    return pixels;
  }
}
