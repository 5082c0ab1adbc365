// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.autograd.AdamW;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.TestDevices;
import io.github.lorikeet.vision.data.Batches;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.image.CounterRandom;
import io.github.lorikeet.vision.image.CounterRandom.Purpose;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.MaskedAutoencoder;
import io.github.lorikeet.vision.model.MaskedAutoencoder.Decoder;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.model.VitReader;
import io.github.lorikeet.vision.model.WeightSource;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Tag(TestDevices.EACH)
class PretrainerTest {
  private static final Decoder DECODER = new Decoder(32, 1, 2);

  @TempDir Path folder;

  @Test
  @Tag(TestDevices.PROCESSOR_ONLY)
  void lossFallsMemoryIsAsPlannedAndTheBackboneIsATransformersStart() throws Exception {
    Path list = writeSlopes();
    MaskedAutoencoder model = new MaskedAutoencoder(SmallStudy.CONFIG, DECODER, new Initializer(1));
    Map<String, HostTensor> backbone = new LinkedHashMap<>();
    try (Device device = TestDevices.open(2);
        ImageLoader loader = SmallStudy.loader(list, 2)) {
      try (Pretrainer pretrainer = new Pretrainer(device, model, options(30))) {
        List<EpochResult> epochs = pretrainer.train(loader, new TrainListener() {});
        // Predicting 0, which is best for whoever does not look at the visible patches, costs the
        // target's variance: 63/64.
        assertThat(epochs.getFirst().trainLoss()).isGreaterThan(0.9);
        assertThat(epochs.getLast().trainLoss()).isLessThan(0.5);
        assertThat(device.memory().peakBytes()).isEqualTo(pretrainer.plan().peakBytes());
        for (Parameter parameter : model.backbone()) {
          backbone.put(parameter.name(), HostTensor.of(parameter.download(), parameter.sizes()));
        }
      }
      assertThat(device.memory().liveBytes()).isZero();
    }
    WeightSource source = new WeightSource("pretrained", backbone);
    VisionTransformer vit =
        new VisionTransformer(
            VitReader.config(source, 0), 2, source, new Initializer(0), name -> false);
    assertThat(vit.config()).isEqualTo(SmallStudy.CONFIG);
    assertThat(source.notes())
        .singleElement()
        .asString()
        .contains("fc_norm.weight", "fc_norm.bias", "head.weight", "head.bias");
  }

  /** Pictures that grow brighter in a direction of their own: one patch tells all the others. */
  private Path writeSlopes() throws IOException {
    SplittableRandom random = new SplittableRandom(3);
    int size = SmallStudy.CONFIG.imageSize();
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < SmallStudy.IMAGES; i++) {
      double angle = random.nextDouble() * 2 * Math.PI;
      BufferedImage image = new BufferedImage(size, size, BufferedImage.TYPE_BYTE_GRAY);
      for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++) {
          double along = Math.cos(angle) * (x - size / 2.0) + Math.sin(angle) * (y - size / 2.0);
          image.getRaster().setSample(x, y, 0, (int) (128 + 5 * along));
        }
      }
      String name = "slope " + i + ".png";
      ImageIO.write(image, "png", folder.resolve(name).toFile());
      lines.append(name).append(" 0\n");
    }
    return Files.writeString(folder.resolve("slopes.txt"), lines);
  }

  /** Every setting reaches the updates, and each image has a mask of its own each epoch. */
  @Test
  @Tag(TestDevices.PROCESSOR_ONLY)
  void updatesAreThoseMadeByHand() throws Exception {
    Path list = SmallStudy.writeList(folder);
    Map<String, float[]> trained = run(list, options(2), null, new TrainListener() {}).values;
    Map<String, float[]> expected = trainedByHand(list, options(2));
    assertThat(trained.keySet()).isEqualTo(expected.keySet());
    trained.forEach((name, v) -> assertThat(v).as(name).containsExactly(expected.get(name)));
  }

  private static Map<String, float[]> trainedByHand(Path list, PretrainOptions options)
      throws Exception {
    MaskedAutoencoder model = new MaskedAutoencoder(SmallStudy.CONFIG, DECODER, new Initializer(1));
    ParameterGroups.apply(model.parameters(), model.config().depth(), options.weightDecay(), 1);
    AdamW optimizer = new AdamW(0.9f, 0.95f, 1e-8f);
    int batch = options.batch();
    int updates = SmallStudy.IMAGES / batch;
    try (Device device = TestDevices.open(2);
        ImageLoader loader = SmallStudy.loader(list, 2)) {
      Tape tape = new Tape(device, true);
      // Three quarters of 16 patches are masked; the class token is always visible.
      Variable visible = tape.input(DType.I32, batch, 1 + 4);
      Variable masked = tape.input(DType.I32, batch, 12);
      Variable patches = tape.input(DType.I32, batch, 12);
      try (HostBatch inputs = new HostBatch(tape, batch, model.config().imageSize(), 0)) {
        tape.backward(model.loss(tape, inputs.images(), visible, masked, patches));
        try (MemoryPlan plan = MemoryPlan.of(optimizer, tape)) {
          plan.allocate();
          for (int epoch = 0; epoch < options.epochs(); epoch++) {
            try (Batches batches =
                loader.training(batch, options.augment(), options.seed(), epoch)) {
              for (int update = 0; update < updates; update++) {
                inputs.fill(batches);
                List<Integer> seen = new ArrayList<>();
                List<Integer> hidden = new ArrayList<>();
                for (int i = 0; i < batch; i++) {
                  int image = batches.index(update * batch + i);
                  int[] order =
                      new CounterRandom(options.seed(), epoch, image, Purpose.MASK).permutation(16);
                  seen.add(0);
                  Arrays.stream(order, 12, 16).sorted().forEach(patch -> seen.add(1 + patch));
                  Arrays.stream(order, 0, 12).sorted().forEach(hidden::add);
                }
                visible.tensor().upload(seen.stream().mapToInt(token -> token).toArray());
                masked.tensor().upload(hidden.stream().mapToInt(patch -> 1 + patch).toArray());
                patches.tensor().upload(hidden.stream().mapToInt(patch -> patch).toArray());
                tape.run(epoch * updates + update, false);
                double done = epoch + (double) update / updates;
                optimizer.step((float) options.schedule().learningRate(done));
              }
            }
          }
          return values(model);
        }
      }
    }
  }

  private static Map<String, float[]> values(MaskedAutoencoder model) {
    Map<String, float[]> values = new LinkedHashMap<>();
    model.parameters().forEach(p -> values.put(p.name(), p.download()));
    return values;
  }

  @Test
  void sameSeedSameBits() throws Exception {
    Path list = SmallStudy.writeList(folder);
    try (Device one = TestDevices.open(1);
        Device two = TestDevices.open(2)) {
      assertThat(lastLoss(list, one, 1)).isEqualTo(lastLoss(list, two, 2));
    }
  }

  /** Ends a run after an update, or as an epoch ends, before its state is written. */
  private record Killer(int epoch, int update) implements TrainListener {
    @Override
    public void onUpdate(int at, int done, int updates, double loss, double rate) {
      if (at == epoch && done == update) {
        throw new IllegalStateException("killed");
      }
    }

    @Override
    public void onEpoch(EpochResult result) {
      if (result.epoch() == epoch) {
        throw new IllegalStateException("killed");
      }
    }
  }

  private record End(Map<String, float[]> values, List<EpochResult> epochs) {}

  private static End run(Path list, PretrainOptions options, Path state, TrainListener listener)
      throws Exception {
    MaskedAutoencoder model = new MaskedAutoencoder(SmallStudy.CONFIG, DECODER, new Initializer(1));
    try (Device device = TestDevices.open(2);
        ImageLoader loader = SmallStudy.loader(list, 2);
        Pretrainer pretrainer = new Pretrainer(device, model, options).keepState(state)) {
      List<EpochResult> epochs = pretrainer.train(loader, listener);
      return new End(values(model), epochs.stream().map(ResumeTest::withoutTimes).toList());
    }
  }

  @ParameterizedTest
  @Tag(TestDevices.PROCESSOR_ONLY)
  @CsvSource({"1, 1", "2, 1", "2, 99", "3, 2"})
  void aRunThatWasKilledGoesOnToTheSameBits(int epoch, int update) throws Exception {
    Path list = SmallStudy.writeList(folder);
    Path state = folder.resolve("start.state");
    TrainListener none = new TrainListener() {};
    End whole = run(list, options(3), null, none);
    assertThatThrownBy(() -> run(list, options(3), state, new Killer(epoch, update)))
        .hasMessage("killed");
    int[] done = {-1};
    End resumed =
        run(
            list,
            options(3),
            state,
            new TrainListener() {
              @Override
              public void onStart(List<EpochResult> epochs, List<String> warnings) {
                done[0] = epochs.size();
              }
            });
    assertThat(done[0]).isEqualTo(epoch - 1);
    assertThat(resumed.epochs).isEqualTo(whole.epochs);
    assertThat(resumed.values.keySet()).isEqualTo(whole.values.keySet());
    resumed.values.forEach(
        (name, v) -> assertThat(v).as(name).containsExactly(whole.values.get(name)));
    assertThatThrownBy(() -> run(list, options(3, 0.1), state, none))
        .isInstanceOf(TrainingException.class)
        .hasMessageContaining("is the state of another run")
        .hasMessageContaining("weightDecay=0.05, now weightDecay=0.1");
  }

  /** Of two epochs. */
  static double lastLoss(Path list, Device device, int threads) throws Exception {
    MaskedAutoencoder model = new MaskedAutoencoder(SmallStudy.CONFIG, DECODER, new Initializer(1));
    try (ImageLoader loader = SmallStudy.loader(list, threads);
        Pretrainer pretrainer = new Pretrainer(device, model, options(2))) {
      return pretrainer.train(loader, new TrainListener() {}).getLast().trainLoss();
    }
  }

  @Test
  @Tag(TestDevices.PROCESSOR_ONLY)
  void aNegativeWeightDecayIsRefused() {
    assertThatThrownBy(() -> options(1, -1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("weight-decay -1.0: expected 0 or more");
  }

  private static PretrainOptions options(int epochs) {
    return options(epochs, 0.05);
  }

  private static PretrainOptions options(int epochs, double weightDecay) {
    Augment augment = new Augment(SmallStudy.CONFIG.imageSize(), 0.7, 1, 0.9, 1.1, 0.5);
    return new PretrainOptions(
        2e-3, epochs / 10.0, epochs, 8, weightDecay, 0.75, DECODER, augment, 9, DType.F32);
  }
}
