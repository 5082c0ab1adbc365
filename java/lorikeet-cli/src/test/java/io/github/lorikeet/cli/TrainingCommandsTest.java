// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.cli.Cli.Result;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What train writes, and how it goes on. */
class TrainingCommandsTest extends TrainingCommands {
  private static final String OTHER_RUN = "other options, weights or lists";

  @ParameterizedTest
  @ValueSource(strings = {"lora", "linear-probe", "full"})
  void trainWritesAllItPromises(String mode) throws IOException {
    Result result = train("--mode", mode, "--label-names", "lower");
    assertThat(result.exitCode()).as(result.err()).isZero();
    assertThat(Files.readAllLines(out.resolve("log.jsonl")))
        .hasSize(2)
        .allMatch(l -> l.contains("val_auroc"));
    assertThat(Files.readAllLines(out.resolve("predictions.csv")))
        .hasSize(17)
        .startsWith("path,lower");
    assertThat(out.resolve("config.json")).content().contains("\"mode\" : \"" + mode + "\"");
    assertThat(out.resolve("report.html")).content().contains("<html").contains("ROC");
    try (Stream<Path> files = Files.list(out)) {
      Path events = files.filter(f -> f.toString().contains("tfevents")).toList().getFirst();
      assertThat(Files.readString(events, StandardCharsets.ISO_8859_1))
          .contains("train/loss", "train/lr", "val/loss", "val/auroc", "val/auroc/lower")
          .contains("train/images_per_second", "train/waiting_share", "memory/device_bytes");
    }
    assertThat(Files.exists(out.resolve("adapter/adapter_config.json")))
        .isEqualTo(mode.equals("lora"));
    assertThat(Files.exists(out.resolve("weights.safetensors"))).isEqualTo(!mode.equals("lora"));
  }

  private List<Double> losses(Path run) throws IOException {
    return Files.readAllLines(run.resolve("log.jsonl")).stream()
        .map(line -> line.replaceFirst(".*\"loss\":([0-9.]+).*", "$1"))
        .map(Double::valueOf)
        .toList();
  }

  @Test
  void bf16TrainsLikeF32ButForRounding() throws IOException {
    Path rounded = folder.resolve("bf16");
    assertThat(train("--mode", "full").exitCode()).isZero();
    Result result = train("--mode", "full", "--dtype", "bf16", "--out", rounded);
    assertThat(result.exitCode()).as(result.err()).isZero();
    assertThat(rounded.resolve("config.json")).content().contains("\"dtype\" : \"bf16\"");
    List<Double> expected = losses(out);
    List<Double> losses = losses(rounded);
    assertThat(losses).hasSize(2).isNotEqualTo(expected);
    for (int epoch = 0; epoch < 2; epoch++) {
      assertThat(losses.get(epoch))
          .isCloseTo(expected.get(epoch), within(0.01 * expected.get(epoch)));
    }
  }

  /** The study's AdamW recipe, every setting by hand. */
  @Test
  void everySettingOfARecipeCanBeChosen() {
    Result result =
        train(
            "--optimizer",
            "adamw",
            "--base-lr",
            0.003,
            "--accumulate",
            2,
            "--weight-decay",
            0.05,
            "--layer-decay",
            0.65,
            "--drop-path",
            0.1,
            "--clip",
            1,
            "--rand-augment",
            "",
            "--erase",
            0.25,
            "--recipe",
            "cxr-mae",
            "--warmup",
            1,
            "--evaluate-every",
            2);
    assertThat(result.exitCode()).as(result.err()).isZero();
    // .003 * 8 * 2 / 256
    assertThat(out.resolve("config.json"))
        .content()
        .contains("\"lr\" : 1.875E-4", "\"rand_augment\" : true", "\"erase\" : 0.25");
  }

  @Test
  void aRandomStartHasTheImageSizeAskedFor() {
    assertThat(train("--random-start", "", "--image-size", 48).exitCode()).isZero();
    assertThat(out.resolve("config.json")).content().contains("\"image_size\" : 48");
  }

  @Test
  void aNewRunLeavesNothingOfTheOldOne() {
    assertThat(train().exitCode()).isZero();
    assertThat(out.resolve("adapter/adapter_config.json")).exists();
    assertThat(train("--mode", "linear-probe", "--overwrite", "").exitCode()).isZero();
    assertThat(out.resolve("adapter")).doesNotExist();
    assertThat(out.resolve("weights.safetensors")).exists();
  }

  @Test
  void resumeStartsOrDoesNothingOrRefuses() throws IOException {
    assertThat(train("--resume", "").exitCode()).isZero();
    assertThat(out.resolve("result.json"))
        .content()
        .contains(
            "\"best_epoch\"", "\"val_auroc\"", "\"auroc_95\"", "\"trained_parameters\" : 1217");
    byte[] report = Files.readAllBytes(out.resolve("report.html"));
    assertThat(train("--resume", "").exitCode()).isZero();
    assertThat(out.resolve("report.html")).hasBinaryContent(report);
    Path config = out.resolve("config.json");
    String earlier = Files.readString(config).replaceFirst("(version\" : \")[^\"]*", "$10");
    Files.writeString(config, earlier);
    Path sameList = data.resolve("..").resolve(data.getFileName()).resolve("list.txt");
    assertThat(train("--resume", "", "--val", sameList).exitCode()).isZero();
    Result other = train("--resume", "", "--lr", 0.5);
    assertOneFailure(2, other, OTHER_RUN + " (lr: 0.02, now 0.5)");
    Path changed = Files.copy(list, data.resolve("changed.txt"));
    Path images = Files.createDirectory(folder.resolve("images"));
    for (int i = 0; i < 16; i++) {
      Files.copy(data.resolve(i + ".png"), images.resolve(i + ".png"));
    }
    for (String role : List.of("--train", "--val", "--test")) {
      assertThat(train(role, changed, "--overwrite", "").exitCode()).isZero();
      assertThat(train(role, changed, "--resume", "").exitCode()).isZero();
      Files.writeString(changed, Files.readString(list).replace("3.png 1", "3.png 0"));
      assertOneFailure(2, train(role, changed, "--resume", ""), OTHER_RUN);
      Files.copy(list, changed, StandardCopyOption.REPLACE_EXISTING);
    }
    assertThat(train("--overwrite", "").exitCode()).isZero();
    assertOneFailure(2, train("--resume", "", "--images", images), OTHER_RUN);
    Path weights = Files.copy(start, data.resolve("weights.safetensors"));
    assertThat(train("--weights", weights, "--overwrite", "").exitCode()).isZero();
    assertThat(train("--weights", weights, "--resume", "").exitCode()).isZero();
    byte[] bytes = Files.readAllBytes(weights);
    bytes[bytes.length - 1] ^= 1;
    Files.write(weights, bytes);
    assertOneFailure(2, train("--weights", weights, "--resume", ""), OTHER_RUN);
    assertThat(train("--lr", 0.5, "--overwrite", "").exitCode()).isZero();
    assertThat(out.resolve("config.json")).content().contains("\"lr\" : 0.5");
  }

  @Test
  void aStateOfOtherOptionsIsRefused() throws IOException {
    // A first run that ends at its test list leaves its state.
    Path late = Files.writeString(data.resolve("late.png"), "no image");
    Path test = Files.writeString(data.resolve("late.txt"), "late.png 1\n");
    assertOneFailure(train("--test", test), "late.png");
    String config = Files.readString(out.resolve("config.json"));
    assertOneFailure(train("--resume", "", "--lr", 0.5), "learningRate=0.02, now learningRate=0.5");
    assertThat(out.resolve("config.json")).content().isEqualTo(config);
    Files.copy(data.resolve("1.png"), late, StandardCopyOption.REPLACE_EXISTING);
    assertThat(train("--test", test, "--resume", "").exitCode()).isZero();
    assertThat(out.resolve("result.json")).exists();
    assertThat(out.resolve("state.safetensors")).doesNotExist();
  }
}
