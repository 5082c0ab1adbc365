// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.Lora;
import io.github.lorikeet.core.autograd.AdamW;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Optimizer;
import io.github.lorikeet.core.autograd.Sgd;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.Goldens;
import io.github.lorikeet.vision.JsonTree;
import io.github.lorikeet.vision.TestDevices;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.model.VitReader;
import io.github.lorikeet.vision.model.WeightSource;
import io.github.lorikeet.vision.weights.Checkpoint;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Ten steps of LoRA training against losses computed independently in double precision. */
@Tag(TestDevices.EACH)
class GoldenCurvesTest {
  private static final int RANK = 4;
  private static final int BATCH = 3;
  private static final int SIZE = 224;
  private static final int LABELS = 2;

  /** The simulated device takes seconds a step. */
  static List<String> optimizers() {
    return TestDevices.isCpu() ? List.of("sgd", "adamw") : List.of("sgd");
  }

  @ParameterizedTest
  @MethodSource("optimizers")
  void lossesFollowTheCurve(String name) {
    JsonTree curves = JsonTree.read(Goldens.file("train/curves.json"));
    JsonTree run = curves.get("runs").get(name);
    float[][] images =
        Goldens.allImages("mrm").values().stream()
            .map(GoldenCurvesTest::normalized)
            .toArray(float[][]::new);
    try (Checkpoint weights = Checkpoint.open(Goldens.file("vit/vit.safetensors"));
        Checkpoint start = Checkpoint.open(Goldens.file("train/init.safetensors"));
        Device device = TestDevices.open(2)) {
      VisionTransformer model = model(weights, start);
      boolean sgd = name.equals("sgd");
      ParameterGroups.apply(
          model.parameters(),
          model.config().depth(),
          run.get("weight_decay").number(),
          sgd ? 1 : run.get("layer_decay").number());
      Optimizer optimizer = sgd ? new Sgd(0.9f) : new AdamW(0.9f, 0.999f, 1e-8f);
      Tape tape = new Tape(device, true);
      Variable input = tape.input(DType.F32, BATCH, 1, SIZE, SIZE);
      Variable targets = tape.input(DType.F32, BATCH, LABELS);
      Variable loss = tape.keep(tape.bceWithLogits(model.forward(tape, input, 0), targets));
      tape.backward(loss);
      Schedule schedule = schedule(curves.get("schedule"), run.get("lr").number());
      int perEpoch = (int) curves.get("schedule").get("iterations_per_epoch").number();
      try (MemoryPlan plan = MemoryPlan.of(optimizer, tape)) {
        plan.allocate();
        // The first step's learning rate is 0: the third's loss is behind an update.
        int steps = TestDevices.isCpu() ? run.get("loss").size() : 3;
        for (int step = 0; step < steps; step++) {
          fill(input, targets, images, curves, step);
          double rate = schedule.learningRate((double) step / perEpoch);
          assertThat(rate).isCloseTo(run.get("lr_t").get(step).number(), within(1e-12));
          tape.run(step, false);
          assertThat((double) loss.tensor().download()[0])
              .as("loss of step %d", step)
              .isCloseTo(run.get("loss").get(step).number(), within(2e-5));
          optimizer.step((float) rate);
        }
      }
    }
  }

  private static VisionTransformer model(Checkpoint weights, Checkpoint start) {
    Map<String, HostTensor> tensors = new HashMap<>(weights.tensors());
    tensors.putAll(start.tensors());
    WeightSource source = new WeightSource("golden", tensors);
    VisionTransformer model =
        new VisionTransformer(
            VitReader.config(source, 2),
            LABELS,
            source,
            new Initializer(0),
            TrainMode.LORA::trains);
    long width = model.config().width();
    for (int i = 0; i < model.config().depth(); i++) {
      String module = "blocks." + i + ".attn.qkv";
      model.attach(
          module,
          source.require(module + ".lora_A", 2 * RANK, width),
          source.require(module + ".lora_B", 2 * width, RANK),
          List.of(new Lora.Group(0, width), new Lora.Group(2 * width, width)),
          RANK,
          32,
          0);
    }
    return model;
  }

  private static Schedule schedule(JsonTree schedule, double peak) {
    return new Schedule(
        peak,
        schedule.get("min_lr").number(),
        schedule.get("warmup_epochs").number(),
        schedule.get("epochs").number());
  }

  private static void fill(
      Variable input, Variable targets, float[][] images, JsonTree curves, int step) {
    float[] pixels = new float[BATCH * SIZE * SIZE];
    float[] labels = new float[BATCH * LABELS];
    for (int i = 0; i < BATCH; i++) {
      int image = (int) curves.get("batches").get(step).get(i).number();
      System.arraycopy(images[image], 0, pixels, i * SIZE * SIZE, SIZE * SIZE);
      for (int l = 0; l < LABELS; l++) {
        labels[i * LABELS + l] = (float) curves.get("labels").get(image).get(l).number();
      }
    }
    input.tensor().upload(pixels);
    targets.tensor().upload(labels);
  }

  static float[] normalized(byte[] levels) {
    float[] values = new float[levels.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = ((levels[i] & 0xFF) / 255f - 0.4978f) / 0.2449f;
    }
    return values;
  }
}
