// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.LorikeetException;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.vision.TestDevices;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.model.Adapters;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.model.WeightSource;
import io.github.lorikeet.vision.train.TrainOptions.OptimizerKind;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag(TestDevices.EACH)
class TrainerTest {
  @TempDir Path folder;
  private Path list;

  @BeforeEach
  void writeImages() throws IOException {
    list = SmallStudy.writeList(folder);
  }

  @ParameterizedTest
  @EnumSource(TrainMode.class)
  void memoryIsWhatWasPlannedToTheByteAndComesBack(TrainMode mode) throws Exception {
    try (Device device = TestDevices.open(2);
        ImageLoader loader = SmallStudy.loader(list, 2)) {
      List<Long> allocations = new ArrayList<>();
      try (Trainer trainer =
          new Trainer(device, SmallStudy.model(mode), SmallStudy.options(0.01, 2))) {
        assertThat(device.memory().peakBytes()).as("before allocating").isZero();
        trainer.train(
            loader,
            loader,
            new TrainListener() {
              @Override
              public void onUpdate(int epoch, int update, int updates, double loss, double rate) {
                allocations.add(device.memory().allocations());
              }
            });
        trainer.evaluate(loader);
        assertThat(trainer.measuredPeakBytes()).isEqualTo(trainer.plan().peakBytes());
      }
      assertThat(allocations).hasSize(6).containsOnly(allocations.getFirst());
      assertThat(device.memory().liveBytes()).isZero();
    }
  }

  @ParameterizedTest
  @EnumSource(TrainMode.class)
  @Tag(TestDevices.PROCESSOR_ONLY)
  void sameSeedSameBitsAtAnyThreadCount(TrainMode mode) throws Exception {
    Map<String, float[]> one = train(mode, 1);
    Map<String, float[]> two = train(mode, 2);
    Map<String, float[]> again = train(mode, 2);
    assertThat(one).isNotEmpty();
    one.forEach((name, values) -> assertThat(two.get(name)).as(name).containsExactly(values));
    one.forEach((name, values) -> assertThat(again.get(name)).as(name).containsExactly(values));
  }

  private Map<String, float[]> train(TrainMode mode, int threads) throws Exception {
    VisionTransformer model = SmallStudy.model(mode);
    try (Device device = TestDevices.open(threads);
        ImageLoader loader = SmallStudy.loader(list, threads);
        Trainer trainer = new Trainer(device, model, SmallStudy.options(0.05, 2))) {
      trainer.train(loader, loader, new TrainListener() {});
      return SmallStudy.trained(model);
    }
  }

  @Test
  @Tag(TestDevices.PROCESSOR_ONLY)
  void weightsThatAreNoNumbersAreToldFromALearningRateThatIsTooHigh() throws Exception {
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    for (Parameter parameter : SmallStudy.model(TrainMode.FULL).parameters()) {
      weights.put(parameter.name(), parameter.initial());
    }
    float[] bias = new float[SmallStudy.CONFIG.hidden()];
    Arrays.fill(bias, Float.NaN);
    weights.put("blocks.0.mlp.fc1.bias", HostTensor.of(bias, bias.length));
    VisionTransformer model =
        new VisionTransformer(
            SmallStudy.CONFIG,
            1,
            new WeightSource("weights", weights),
            new Initializer(0),
            TrainMode.FULL::trains);
    try (Device device = TestDevices.open(2);
        ImageLoader loader = SmallStudy.loader(list, 2);
        Trainer trainer = new Trainer(device, model, SmallStudy.options(0.05, 2))) {
      assertThatThrownBy(() -> trainer.train(loader, loader, new TrainListener() {}))
          .isInstanceOf(TrainingException.class)
          .hasMessage(
              "the loss is NaN before any update: expected weights and images of finite numbers");
    }
  }

  /** Half a batch twice is a batch: the same gradient but for its rounding. */
  @Test
  void accumulatedBatchesUpdateAsOneOfTheirSize() throws Exception {
    Map<String, float[]> whole = trainFully(8, 1);
    Map<String, float[]> halves = trainFully(4, 2);
    double moved = 0;
    Map<String, float[]> start = SmallStudy.trained(SmallStudy.model(TrainMode.FULL));
    for (String name : whole.keySet()) {
      assertThat(halves.get(name)).as(name).containsExactly(whole.get(name), within(2e-5f));
      for (int i = 0; i < whole.get(name).length; i++) {
        moved = Math.max(moved, Math.abs(whole.get(name)[i] - start.get(name)[i]));
      }
    }
    assertThat(moved).isGreaterThan(1e-2);
  }

  private Map<String, float[]> trainFully(int batch, int accumulate) throws Exception {
    Augment augment = new Augment(SmallStudy.CONFIG.imageSize(), 1, 1, 1, 1, 0);
    TrainOptions options =
        new TrainOptions(
            OptimizerKind.SGD,
            0.02,
            1e-6,
            1,
            2,
            batch,
            accumulate,
            0,
            0,
            1,
            0,
            augment,
            5,
            2,
            DType.F32);
    VisionTransformer model = SmallStudy.model(TrainMode.FULL);
    try (Device device = TestDevices.open(2);
        ImageLoader loader = SmallStudy.loader(list, 2);
        Trainer trainer = new Trainer(device, model, options)) {
      trainer.train(loader, loader, new TrainListener() {});
      return SmallStudy.trained(model);
    }
  }

  @Test
  @Tag(TestDevices.PROCESSOR_ONLY)
  void learnsAndKeepsTheBest() throws Exception {
    VisionTransformer model = SmallStudy.model(TrainMode.FULL);
    try (Device device = TestDevices.open(2);
        ImageLoader loader = SmallStudy.loader(list, 2);
        Trainer trainer = new Trainer(device, model, SmallStudy.options(0.05, 30))) {
      List<EpochResult> epochs = trainer.train(loader, loader, new TrainListener() {});
      double best = epochs.stream().mapToDouble(e -> e.validation().mean()).max().orElseThrow();
      assertThat(best).isGreaterThan(0.95);
      assertThat(epochs.get(trainer.bestEpoch() - 1).validation().mean()).isEqualTo(best);
      assertThat(trainer.evaluate(loader).auroc().mean()).isEqualTo(best);
    }
  }

  @Test
  void adapterReadBackGivesTheSameLogitsBitForBitAndMergedNearly() throws Exception {
    Path weights = folder.resolve("start.safetensors");
    Map<String, HostTensor> start = new LinkedHashMap<>();
    VisionTransformer model = SmallStudy.model(TrainMode.LORA);
    model.parameters().stream()
        .filter(p -> !p.trainable())
        .forEach(p -> start.put(p.name(), p.initial()));
    SafetensorsWriter.write(weights, start);
    float[] trained;
    try (Device device = TestDevices.open(2);
        ImageLoader loader = SmallStudy.loader(list, 2);
        Trainer trainer = new Trainer(device, model, SmallStudy.options(0.05, 4))) {
      trainer.train(loader, loader, new TrainListener() {});
      trained = trainer.evaluate(loader).logits();
      Adapters.export(model).write(folder.resolve("adapter"));
    }
    try (ModelFile file = ModelFile.open(weights, folder.resolve("adapter"))) {
      VisionTransformer read = file.classifier(0);
      assertThat(logits(read, 5)).containsExactly(trained);
      SafetensorsWriter.write(folder.resolve("merged.safetensors"), Adapters.mergedWeights(read));
    }
    try (ModelFile file = ModelFile.open(folder.resolve("merged.safetensors"), null)) {
      assertThat(logits(file.classifier(0), 8)).containsExactly(trained, within(1e-4f));
    }
  }

  private float[] logits(VisionTransformer model, int batch) throws Exception {
    try (Device device = TestDevices.open(1);
        ImageLoader loader = SmallStudy.loader(list, 1);
        Evaluator evaluator = new Evaluator(device, model, batch, DType.F32);
        MemoryPlan plan = MemoryPlan.of(null, evaluator.tape())) {
      plan.allocate();
      return evaluator.run(loader).logits();
    }
  }

  @Test
  void lossThatIsNoNumberStopsTheRun() throws Exception {
    VisionTransformer model = SmallStudy.model(TrainMode.FULL);
    try (Device device = TestDevices.open(1);
        ImageLoader loader = SmallStudy.loader(list, 1);
        Trainer trainer = new Trainer(device, model, SmallStudy.options(1e30, 5))) {
      assertThatThrownBy(() -> trainer.train(loader, loader, new TrainListener() {}))
          .isInstanceOf(TrainingException.class)
          .hasMessageContaining("the loss became")
          .hasMessageContaining("--lr");
    }
  }

  @Test
  @Tag(TestDevices.PROCESSOR_ONLY)
  void stopKeepsTheBestSoFar() throws Exception {
    VisionTransformer model = SmallStudy.model(TrainMode.LORA);
    int[] updates = {0};
    try (Device device = TestDevices.open(1);
        ImageLoader loader = SmallStudy.loader(list, 1);
        Trainer trainer = new Trainer(device, model, SmallStudy.options(0.05, 50))) {
      List<EpochResult> epochs =
          trainer.train(
              loader,
              loader,
              new TrainListener() {
                @Override
                public void onUpdate(int epoch, int update, int of, double loss, double rate) {
                  updates[0]++;
                }

                @Override
                public boolean stopRequested() {
                  return updates[0] == 7;
                }
              });
      assertThat(epochs).hasSize(2);
      assertThat(updates[0]).isEqualTo(7);
      double best = epochs.get(trainer.bestEpoch() - 1).validation().mean();
      assertThat(trainer.evaluate(loader).auroc().mean()).isEqualTo(best);
    }
  }

  @Test
  void noRoomLeavesNothingBehind() throws Exception {
    try (Device device = TestDevices.open(1);
        ImageLoader loader = SmallStudy.loader(list, 1);
        Trainer trainer =
            new Trainer(device, SmallStudy.model(TrainMode.LORA), SmallStudy.options(0.05, 2))) {
      device.failAllocation(3);
      assertThatThrownBy(() -> trainer.train(loader, loader, new TrainListener() {}))
          .isInstanceOf(LorikeetException.class);
      assertThat(device.memory().liveBytes()).isZero();
    }
  }
}
