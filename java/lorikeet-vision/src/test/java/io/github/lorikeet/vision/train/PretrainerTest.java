// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.vision.TestDevices;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.MaskedAutoencoder;
import io.github.lorikeet.vision.model.MaskedAutoencoder.Decoder;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.model.VitReader;
import io.github.lorikeet.vision.model.WeightSource;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
    Path list = SmallStudy.writeList(folder);
    MaskedAutoencoder model = new MaskedAutoencoder(SmallStudy.CONFIG, DECODER, new Initializer(1));
    Map<String, HostTensor> backbone = new LinkedHashMap<>();
    try (Device device = TestDevices.open(2);
        ImageLoader loader = SmallStudy.loader(list, 2)) {
      try (Pretrainer pretrainer = new Pretrainer(device, model, options(30))) {
        List<EpochResult> epochs = pretrainer.train(loader, new TrainListener() {});
        assertThat(epochs.getFirst().trainLoss()).isGreaterThan(0.9);
        assertThat(epochs.getLast().trainLoss()).isLessThan(epochs.getFirst().trainLoss() - 0.02);
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
      Map<String, float[]> values = new LinkedHashMap<>();
      model.parameters().forEach(p -> values.put(p.name(), p.download()));
      return new End(values, epochs.stream().map(ResumeTest::withoutTimes).toList());
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
