// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.LoraTargets;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.model.VitConfig;
import io.github.lorikeet.vision.model.WeightSource;
import io.github.lorikeet.vision.train.TrainMode;
import io.github.lorikeet.vision.train.TrainOptions;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run that was asked to stop, before any update or batch of a look, goes on to the same bits. */
class StoppedRunTest {
  private static final int EPOCHS = 2;

  @TempDir Path folder;
  private Path list;

  @BeforeEach
  void makeData() throws IOException {
    list = TestFiles.writeNoise(folder, 8, 16);
  }

  /** Runs or goes on, and returns what it says. */
  private String run(Path out, BooleanSupplier stop) throws InterruptedException {
    VisionTransformer model =
        new VisionTransformer(
            new VitConfig(16, 8, 3, 64, 1, 1, 64, true),
            1,
            WeightSource.none(),
            new Initializer(1),
            TrainMode.LORA::trains);
    model.attachLora(LoraTargets.QUERY_VALUE, 2, 32, 0);
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    try (Device device = Device.open("cpu", 1);
        ImageLoader loader =
            new ImageLoader(ImageList.read(list), Preprocess.mrm(16), 1, 1_000_000)) {
      TrainingFolder.Task task =
          new TrainingFolder.Task(
              "task",
              TrainMode.LORA,
              "LoRA",
              TrainOptions.sgd(0.05, 0, EPOCHS, 4, Augment.sgd(16), 5),
              List.of("label"),
              "mrm",
              Map.of(),
              "again");
      new TrainingFolder(out, task)
          .run(
              device,
              model,
              new TrainingFolder.Images(loader, loader, loader),
              new Progress(
                  new PrintStream(said, true, StandardCharsets.UTF_8), 0, System::nanoTime),
              stop);
    }
    return said.toString(StandardCharsets.UTF_8);
  }

  /** Asks to stop from the n-th call on. */
  private static final class Stop implements BooleanSupplier {
    private final int last;
    private int calls;

    Stop(int last) {
      this.last = last;
    }

    @Override
    public boolean getAsBoolean() {
      return ++calls >= last;
    }
  }

  @Test
  void stoppedAtEveryMomentItEndsWithTheSameBits() throws Exception {
    Path whole = folder.resolve("whole");
    Stop never = new Stop(Integer.MAX_VALUE);
    run(whole, never);
    // Each epoch asks before it starts, before two updates and before two batches of its look; the
    // test list asks before two.
    assertThat(never.calls).isEqualTo(EPOCHS * 5 + 2);
    for (int moment = 1; moment <= never.calls; moment++) {
      Path out = folder.resolve("stopped-" + moment);
      String said = run(out, new Stop(moment));
      assertThat(said).contains("of 2", ": again");
      assertThat(said.contains("before the end of the test list")).isEqualTo(moment > EPOCHS * 5);
      assertThat(out.resolve("result.json")).doesNotExist();
      assertThat(out.resolve("predictions.csv")).doesNotExist();
      assertThat(Files.exists(out.resolve("state.safetensors"))).isEqualTo(moment > 5);
      assertThat(run(out, () -> false)).doesNotContain(": again");
      assertThat(out.resolve("result.json")).exists();
      for (String name : List.of("adapter/adapter_model.safetensors", "predictions.csv")) {
        assertThat(out.resolve(name)).hasSameBinaryContentAs(whole.resolve(name));
      }
    }
  }

  @Test
  void aValidationListOfOneKindIsNoted() throws Exception {
    assertThat(run(folder.resolve("both"), () -> false)).doesNotContain("note: validation");
    Files.writeString(list, Files.readString(list).replace(" 0\n", " 1\n"));
    assertThat(run(folder.resolve("one"), () -> false))
        .contains(
            "note: the training list has no image without label: nothing to learn to tell apart\n",
            "note: of the validation list's images, 8 are in the training list too, first 0.png",
            "note: validation list: label 1 of 1 is left out of the mean: every image has it\n",
            "note: validation list: no label has an AUROC to choose an epoch by");
  }
}
