// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.vision.TestDevices;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.train.TrainOptions.OptimizerKind;
import io.github.lorikeet.vision.weights.Checkpoint;
import io.github.lorikeet.vision.weights.StateFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A run that ended at some moment and goes on ends with the bits of one that never ended. */
@Tag(TestDevices.EACH)
class ResumeTest {
  private static final int EPOCHS = TestDevices.isCpu() ? 5 : 4;

  @TempDir Path folder;
  private Path list;
  private Path state;

  /** What a run ends with: everything but times. */
  private record End(
      Map<String, float[]> values, List<EpochResult> epochs, int bestEpoch, float[] logits) {
    void isThatOf(End other) {
      assertThat(epochs).isEqualTo(other.epochs);
      assertThat(bestEpoch).isEqualTo(other.bestEpoch);
      assertThat(logits).containsExactly(other.logits);
      assertThat(values.keySet()).isEqualTo(other.values.keySet());
      values.forEach((name, v) -> assertThat(v).as(name).containsExactly(other.values.get(name)));
    }
  }

  /** Ends a run where it stands, as far as the trainer can tell. */
  private static final class Killed extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  /** Ends a run before its n-th call, updates and epochs counted together. */
  private static final class Killer implements TrainListener {
    private final List<String> warnings = new ArrayList<>();
    private int done = -1;
    private int left;

    Killer(int calls) {
      left = calls;
    }

    private void count() {
      if (left-- == 0) {
        throw new Killed();
      }
    }

    @Override
    public void onStart(List<EpochResult> epochs, List<String> warned) {
      done = epochs.size();
      warnings.addAll(warned);
    }

    @Override
    public void onUpdate(int epoch, int update, int updates, double loss, double rate) {
      count();
    }

    @Override
    public void onEpoch(EpochResult result) {
      count();
    }
  }

  /** Asks to stop within a look. */
  private static final class Stopper implements TrainListener {
    private boolean stop;

    @Override
    public void onLook(int epoch, int done, int images) {
      stop |= epoch == 4 && done > 0 && done < images;
    }

    @Override
    public boolean stopRequested() {
      return stop;
    }
  }

  @BeforeEach
  void writeImages() throws IOException {
    list = SmallStudy.writeList(folder);
    state = folder.resolve("state.safetensors");
  }

  private static TrainOptions options(OptimizerKind optimizer, int seed) {
    boolean adam = optimizer == OptimizerKind.ADAMW;
    return new TrainOptions(
        optimizer,
        adam ? 0.003 : 0.05,
        1e-6,
        1,
        EPOCHS,
        adam ? 4 : 8,
        adam ? 2 : 1,
        0.2,
        adam ? 0.05 : 0,
        adam ? 0.65 : 1,
        adam ? 1 : 0,
        new Augment(SmallStudy.CONFIG.imageSize(), 0.7, 1, 0.9, 1.1, 0.5),
        seed,
        2,
        DType.F32);
  }

  private End run(TrainMode mode, TrainOptions options, Path keptIn, TrainListener listener)
      throws Exception {
    VisionTransformer model = SmallStudy.model(mode);
    try (Device device = TestDevices.open(2);
        ImageLoader loader = SmallStudy.loader(list, 2);
        Trainer trainer = new Trainer(device, model, options)) {
      if (keptIn != null) {
        trainer.keepState(keptIn);
      }
      List<EpochResult> epochs =
          trainer.train(loader, loader, listener).stream().map(ResumeTest::withoutTimes).toList();
      assertThat(trainer.seconds()).isPositive();
      return new End(
          SmallStudy.trained(model),
          epochs,
          trainer.bestEpoch(),
          trainer.evaluate(loader).logits());
    }
  }

  static EpochResult withoutTimes(EpochResult e) {
    return new EpochResult(
        e.epoch(),
        e.learningRate(),
        e.trainLoss(),
        e.validationLoss(),
        e.validation(),
        e.best(),
        0,
        e.images(),
        0);
  }

  private Killer kill(TrainMode mode, TrainOptions options, int calls) {
    Killer killer = new Killer(calls);
    assertThatThrownBy(() -> run(mode, options, state, killer)).isInstanceOf(Killed.class);
    return killer;
  }

  @ParameterizedTest
  @CsvSource({"LORA,SGD", "LINEAR_PROBE,SGD", "FULL,ADAMW"})
  void goesOnToTheSameBits(TrainMode mode, OptimizerKind optimizer) throws Exception {
    goesOn(mode, optimizer);
  }

  @ParameterizedTest
  @CsvSource({"LORA,ADAMW", "FULL,SGD"})
  @Tag(TestDevices.PROCESSOR_ONLY)
  void withTheOtherOptimizerToo(TrainMode mode, OptimizerKind optimizer) throws Exception {
    goesOn(mode, optimizer);
  }

  /** An epoch is three updates and its end: killed in the first, between two, after a look. */
  private void goesOn(TrainMode mode, OptimizerKind optimizer) throws Exception {
    TrainOptions options = options(optimizer, 5);
    End whole = run(mode, options, null, new TrainListener() {});
    assertThat(kill(mode, options, 1).done).isZero();
    assertThat(kill(mode, options, 7).done).isZero();
    assertThat(kill(mode, options, 9).done).as("killed at the end of epoch 2").isEqualTo(1);
    Killer none = new Killer(Integer.MAX_VALUE);
    End resumed = run(mode, options, state, none);
    assertThat(none.done).isEqualTo(3);
    assertThat(none.warnings).isEmpty();
    resumed.isThatOf(whole);
    Killer again = new Killer(0);
    run(mode, options, state, again).isThatOf(whole);
    assertThat(again.done).as("nothing is left to do").isEqualTo(EPOCHS);
  }

  @Test
  @Tag(TestDevices.PROCESSOR_ONLY)
  void stoppedWithinALookItDoesTheEpochAgain() throws Exception {
    TrainOptions options = options(OptimizerKind.SGD, 5);
    End whole = run(TrainMode.LORA, options, null, new TrainListener() {});
    Stopper stopper = new Stopper();
    assertThat(run(TrainMode.LORA, options, state, stopper).epochs).hasSize(3);
    assertThat(stopper.stop).isTrue();
    Killer none = new Killer(Integer.MAX_VALUE);
    run(TrainMode.LORA, options, state, none).isThatOf(whole);
    assertThat(none.done).isEqualTo(3);
  }

  @Test
  @Tag(TestDevices.PROCESSOR_ONLY)
  void aDamagedStateIsToldAndTheOneBeforeItServes() throws Exception {
    TrainOptions options = options(OptimizerKind.SGD, 5);
    End whole = run(TrainMode.LORA, options, null, new TrainListener() {});
    kill(TrainMode.LORA, options, 13);
    byte[] bytes = Files.readAllBytes(state);
    bytes[bytes.length / 2] ^= 1;
    Files.write(state, bytes);
    Killer none = new Killer(Integer.MAX_VALUE);
    run(TrainMode.LORA, options, state, none).isThatOf(whole);
    assertThat(none.done).isEqualTo(2);
    assertThat(none.warnings)
        .singleElement()
        .asString()
        .contains("state.safetensors: its checksum");
  }

  @Test
  @Tag(TestDevices.PROCESSOR_ONLY)
  void killedBetweenTheTwoRenamesGoesOnFromTheStateBefore() throws Exception {
    TrainOptions options = options(OptimizerKind.SGD, 5);
    End whole = run(TrainMode.LORA, options, null, new TrainListener() {});
    kill(TrainMode.LORA, options, 9);
    Files.move(state, StateFile.previous(state), java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    Files.writeString(folder.resolve("state.safetensors.part"), "half a st");
    Killer none = new Killer(Integer.MAX_VALUE);
    run(TrainMode.LORA, options, state, none).isThatOf(whole);
    assertThat(none.done).isEqualTo(2);
    assertThat(none.warnings).isEmpty();
  }

  @Test
  @Tag(TestDevices.PROCESSOR_ONLY)
  void withoutAnyStateThatIsWholeItSaysSo() throws Exception {
    TrainOptions options = options(OptimizerKind.SGD, 5);
    kill(TrainMode.LORA, options, 9);
    Files.write(state, new byte[3]);
    Files.write(StateFile.previous(state), new byte[0]);
    assertThatThrownBy(() -> run(TrainMode.LORA, options, state, new TrainListener() {}))
        .isInstanceOf(TrainingException.class)
        .hasMessageContainingAll(
            "state.safetensors: its checksum", "state.safetensors.previous", "start anew");
  }

  @Test
  @Tag(TestDevices.PROCESSOR_ONLY)
  void theStateOfAnotherRunIsRefusedByWhatDiffers() throws Exception {
    TrainOptions options = options(OptimizerKind.SGD, 5);
    kill(TrainMode.LORA, options, 5);
    byte[] before = Files.readAllBytes(state);
    isRefused(TrainMode.LORA, options(OptimizerKind.SGD, 6), "options: seed=5, now seed=6");
    isRefused(TrainMode.FULL, options, "model: ", "alpha=32.0", "starting values: ");
    String lines = Files.readString(list);
    Files.writeString(list, lines.replace("image 3.png 1", "image 3.png 0"));
    isRefused(TrainMode.LORA, options, "training list: ", "validation list: ");
    assertThat(Files.readAllBytes(state)).isEqualTo(before);
  }

  /** Another instruction set sums in another order. */
  @Test
  @Tag(TestDevices.PROCESSOR_ONLY)
  void theStateOfAnotherInstructionSetIsRefused() throws Exception {
    TrainOptions options = options(OptimizerKind.SGD, 5);
    kill(TrainMode.LORA, options, 5);
    Map<String, String> metadata = new LinkedHashMap<>();
    try (Device device = TestDevices.open(1);
        Checkpoint before = StateFile.open(state)) {
      String isa = device.info().isa();
      before.metadata().forEach((key, value) -> metadata.put(key, value.replace(isa, "abacus")));
    }
    new StateFile(state).write(metadata);
    isRefused(TrainMode.LORA, options, "device: abacus, now ");
  }

  @ParameterizedTest
  @CsvSource({
    "'(?m)^2 ', '1000 ', epoch 1000 where 2 should be",
    "NaN false, NaN true, epoch 1 without the AUROCs",
    "'( \\S+)\\s*\\z', '', epoch 2 without the AUROCs"
  })
  @Tag(TestDevices.PROCESSOR_ONLY)
  void resultsThatCannotBeAreRefused(String part, String instead, String problem) throws Exception {
    TrainOptions options = options(OptimizerKind.SGD, 5);
    kill(TrainMode.LORA, options, 9);
    Map<String, String> metadata = new LinkedHashMap<>();
    try (Checkpoint before = StateFile.open(state)) {
      metadata.putAll(before.metadata());
    }
    metadata.compute("results", (key, results) -> results.replaceFirst(part, instead));
    new StateFile(state).write(metadata);
    Files.delete(StateFile.previous(state));
    assertThatThrownBy(() -> run(TrainMode.LORA, options, state, new TrainListener() {}))
        .isInstanceOf(TrainingException.class)
        .hasMessageContaining("is no state of this run: " + problem);
  }

  private void isRefused(TrainMode mode, TrainOptions options, String... words) {
    assertThatThrownBy(() -> run(mode, options, state, new TrainListener() {}))
        .isInstanceOf(TrainingException.class)
        .hasMessageContaining("is the state of another run")
        .hasMessageContainingAll(words);
  }

  @Test
  @Tag(TestDevices.PROCESSOR_ONLY)
  void aStateOfAnotherVersionIsPassedOver() throws Exception {
    TrainOptions options = options(OptimizerKind.SGD, 5);
    kill(TrainMode.LORA, options, 5);
    new StateFile(state).write(Map.of("lorikeet.training_state", "0"));
    Killer none = new Killer(Integer.MAX_VALUE);
    run(TrainMode.LORA, options, state, none);
    assertThat(none.done).isEqualTo(1);
    assertThat(none.warnings).singleElement().asString().contains("another version of Lorikeet");
  }
}
