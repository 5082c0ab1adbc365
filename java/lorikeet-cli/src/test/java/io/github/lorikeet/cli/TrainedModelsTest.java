// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static io.github.lorikeet.cli.Cli.lorikeet;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.cli.Cli.Result;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.weights.Checkpoint;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** predict, evaluate, merge and export of what was trained. */
class TrainedModelsTest extends TrainingCommands {
  @Test
  void predictionsFromFilesAreThoseOfTheRunMergedOrNot() throws IOException {
    assertThat(train("--targets", "q,v,fc1", "--lr", 0.05).exitCode()).isZero();
    Path adapter = out.resolve("adapter");
    Path csv = folder.resolve("p.csv");
    assertThat(
            lorikeet(
                    "predict",
                    "--weights",
                    start,
                    "--adapter",
                    adapter,
                    "--list",
                    list,
                    "--out",
                    csv)
                .exitCode())
        .isZero();
    assertThat(csv).hasSameTextualContentAs(out.resolve("predictions.csv"));
    Path merged = folder.resolve("merged.safetensors");
    assertThat(
            lorikeet("merge", "--weights", start, "--adapter", adapter, "--out", merged).exitCode())
        .isZero();
    Path again = folder.resolve("m.csv");
    assertThat(
            lorikeet("predict", "--weights", merged, "--list", list, "--out", again, "--batch", 3)
                .exitCode())
        .isZero();
    List<String> expected = Files.readAllLines(csv);
    List<String> actual = Files.readAllLines(again);
    for (int i = 1; i < expected.size(); i++) {
      double difference = probability(expected.get(i)) - probability(actual.get(i));
      assertThat(Math.abs(difference)).as(expected.get(i)).isLessThan(1e-4);
    }
    Result evaluated = lorikeet("evaluate", "--weights", merged, "--list", list, "--json");
    assertThat(evaluated.exitCode()).isZero();
    assertThat(evaluated.out()).contains("\"auroc\"", "\"images\" : 16", "label_1");
  }

  private static double probability(String line) {
    return Double.parseDouble(line.substring(line.indexOf(',') + 1));
  }

  /** The study's layout, in either format and of another alpha, says the same as the adapter. */
  @ParameterizedTest
  @CsvSource({"32,study.pth", "32,study.safetensors", "8,study.pth"})
  void aCheckpointInTheStudysLayoutPredictsTheSame(int alpha, String name) throws IOException {
    assertThat(train("--rank", 2, "--lr", 0.05, "--alpha", alpha).exitCode()).isZero();
    Path study = folder.resolve(name);
    Result exported =
        lorikeet("export", "--weights", start, "--adapter", out.resolve("adapter"), "--out", study);
    assertThat(exported.exitCode()).as(exported.err()).isZero();
    try (Checkpoint checkpoint = Checkpoint.open(study)) {
      checkpoint.require("blocks.0.attn.qkv.lora_A", 4, 64);
      checkpoint.require("blocks.0.attn.qkv.lora_B", 128, 2);
      checkpoint.require("blocks.0.attn.qkv.weight", 192, 64);
      checkpoint.require("head.weight", 1, 64);
    }
    String note = "note: this format does not say that images are prepared by --recipe cxr-mae";
    assertThat(exported.err().contains(note)).isEqualTo(name.endsWith(".pth"));
    Path csv = folder.resolve("p.csv");
    Object[] predict = {"predict", "--weights", study, "--list", list, "--out", csv};
    assertThat(lorikeet(predict, "--recipe", "cxr-mae").exitCode()).isZero();
    assertThat(csv).hasSameTextualContentAs(out.resolve("predictions.csv"));
  }

  @Test
  void theStudysLayoutHoldsNoOtherLayers() {
    assertThat(train("--targets", "q,v,fc1").exitCode()).isZero();
    Path study = folder.resolve("study.pth");
    Result result =
        lorikeet("export", "--weights", start, "--adapter", out.resolve("adapter"), "--out", study);
    assertOneFailure(result, "blocks.0.mlp.fc1");
    assertThat(study).doesNotExist();
  }

  @Test
  void trainingSaysThatAdaptersAmongTheWeightsAreLeftOut() {
    assertThat(train("--lr", 0.05).exitCode()).isZero();
    Path study = folder.resolve("study.pth");
    Path adapter = out.resolve("adapter");
    assertThat(
            lorikeet("export", "--weights", start, "--adapter", adapter, "--out", study).exitCode())
        .isZero();
    assertThat(notes(study)).anyMatch(note -> note.startsWith("1 LoRA layers found in " + study));
    Path merged = folder.resolve("merged.safetensors");
    assertThat(lorikeet("merge", "--weights", study, "--out", merged).exitCode()).isZero();
    assertThat(notes(merged)).noneMatch(note -> note.contains("LoRA layers"));
    assertOneFailure(
        2, lorikeet("merge", "--weights", merged, "--out", folder.resolve("m")), "--adapter");
  }

  @Test
  void namesInAFileTellATerminalNothing() {
    Map<String, HostTensor> tensors = new LinkedHashMap<>(TestFiles.smallModel(1, 1));
    tensors.put("blocks.0.attn.qkv.lora_A", HostTensor.of(new float[2 * 64], 2, 64));
    tensors.put("blocks.0.attn.qkv.lora_B", HostTensor.of(new float[128], 128, 1));
    tensors.put("\u001b[31m", HostTensor.of(new float[1], 1));
    Path weights = folder.resolve("weights.safetensors");
    SafetensorsWriter.write(weights, tensors);
    Result merged = lorikeet("merge", "--weights", weights, "--out", folder.resolve("m.pth"));
    assertThat(merged.exitCode()).as(merged.err()).isZero();
    assertThat(merged.err()).contains("left out of " + weights + ": ?[31m");
  }

  private static List<String> notes(Path weights) {
    try (ModelFile file = ModelFile.open(weights, null)) {
      file.backbone(0, 1, 0, new Initializer(0), name -> true);
      return file.notes();
    }
  }

  /** The position embedding is resized for the images that an adapter was trained on. */
  @Test
  void anAdapterTrainedOnOtherImageSizesPredictsTheSame() {
    assertThat(train("--image-size", 48, "--lr", 0.05).exitCode()).isZero();
    Path adapter = out.resolve("adapter");
    Path csv = folder.resolve("p.csv");
    Result result =
        lorikeet("predict", "--weights", start, "--adapter", adapter, "--list", list, "--out", csv);
    assertThat(result.exitCode()).as(result.err()).isZero();
    assertThat(csv).hasSameTextualContentAs(out.resolve("predictions.csv"));
    Path merged = folder.resolve("merged.safetensors");
    assertThat(
            lorikeet("merge", "--weights", start, "--adapter", adapter, "--out", merged).exitCode())
        .isZero();
    try (Checkpoint checkpoint = Checkpoint.open(merged)) {
      checkpoint.require("pos_embed", 1, 1 + 6 * 6, 64);
    }
  }

  /** Pixels of another mean would be measured without a word. */
  @Test
  void imagesArePreparedAsThoseThatTheModelLearntFrom() {
    assertThat(train("--recipe", "mrm").exitCode()).isZero();
    Path adapter = out.resolve("adapter");
    Object[] files = {
      "evaluate", "--weights", start, "--adapter", adapter, "--list", list, "--json"
    };
    String evaluated = lorikeet(files).out();
    assertThat(evaluated).isEqualTo(lorikeet(files, "--recipe", "mrm").out());
    assertThat(lorikeet(files, "--recipe", "cxr-mae").out()).isNotEqualTo(evaluated);
    Path merged = folder.resolve("merged.safetensors");
    lorikeet("merge", "--weights", start, "--adapter", adapter, "--out", merged);
    Object[] one = {"evaluate", "--weights", merged, "--list", list, "--json"};
    assertThat(lorikeet(one).out()).isEqualTo(lorikeet(one, "--recipe", "mrm").out());
  }

  @Test
  void anAdapterOfAnotherWidthIsNamed() {
    assertThat(train().exitCode()).isZero();
    Path wide = folder.resolve("wide.safetensors");
    assertThat(
            lorikeet(
                    "pretrain",
                    "--list",
                    list,
                    "--out",
                    wide,
                    "--image-size",
                    32,
                    "--patch",
                    8,
                    "--width",
                    128,
                    "--depth",
                    1,
                    "--decoder-width",
                    32,
                    "--decoder-depth",
                    1,
                    "--decoder-heads",
                    2,
                    "--epochs",
                    1,
                    "--warmup",
                    0,
                    "--batch",
                    8)
                .exitCode())
        .isZero();
    Result result =
        lorikeet(
            "predict",
            "--weights",
            wide,
            "--adapter",
            out.resolve("adapter"),
            "--list",
            list,
            "--out",
            folder.resolve("p.csv"));
    assertOneFailure(result, wide + " with " + out.resolve("adapter"));
    assertThat(folder.resolve("p.csv")).doesNotExist();
  }

  @Test
  void weightsWithoutAHeadPredictNothing() {
    Result result =
        lorikeet("predict", "--weights", start, "--list", list, "--out", folder.resolve("p.csv"));
    assertOneFailure(result, "no head");
    assertThat(folder.resolve("p.csv")).doesNotExist();
  }
}
