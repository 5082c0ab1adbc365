// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static io.github.lorikeet.cli.Cli.lorikeet;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.cli.Cli.Result;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** Images whose upper or lower half is bright, a small start, and short trainings of it. */
abstract class TrainingCommands {
  @TempDir static Path data;
  @TempDir Path folder;
  static Path list;
  static Path start;
  Path out;

  @BeforeAll
  static void makeData() throws IOException {
    SplittableRandom random = new SplittableRandom(1);
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 16; i++) {
      BufferedImage image = new BufferedImage(36, 40, BufferedImage.TYPE_BYTE_GRAY);
      for (int y = 0; y < 40; y++) {
        for (int x = 0; x < 36; x++) {
          image
              .getRaster()
              .setSample(x, y, 0, (y < 20 == (i % 2 == 0) ? 140 : 50) + random.nextInt(40));
        }
      }
      ImageIO.write(image, "png", data.resolve(i + ".png").toFile());
      lines.append(i).append(".png ").append(i % 2).append('\n');
    }
    list = Files.writeString(data.resolve("list.txt"), lines);
    start = data.resolve("start.safetensors");
    Result made =
        lorikeet(
            "pretrain",
            "--list",
            list,
            "--out",
            start,
            "--image-size",
            32,
            "--patch",
            8,
            "--width",
            64,
            "--depth",
            1,
            "--decoder-width",
            32,
            "--decoder-depth",
            1,
            "--decoder-heads",
            2,
            "--epochs",
            2,
            "--batch",
            8,
            "--half");
    assertThat(made.exitCode()).as(made.err()).isZero();
    assertThat(Files.readAllLines(data.resolve("start.safetensors.jsonl"))).hasSize(2);
  }

  @BeforeEach
  void chooseOut() {
    out = folder.resolve("run");
  }

  /**
   * A short run; more: options by pairs, in place of the usual ones where they have the same name;
   * "" is no value.
   */
  Result train(Object... more) {
    Map<String, Object> options = new LinkedHashMap<>();
    options.put("--weights", start);
    options.put("--train", list);
    options.put("--val", list);
    options.put("--test", list);
    options.put("--epochs", 2);
    options.put("--batch", 8);
    options.put("--out", out);
    for (int i = 0; i < more.length; i += 2) {
      options.put((String) more[i], more[i + 1]);
    }
    List<Object> arguments = new ArrayList<>(List.of("train"));
    options.forEach((name, value) -> arguments.addAll(List.of(name, value)));
    arguments.removeIf(""::equals);
    return lorikeet(arguments.toArray());
  }

  /** The plan and progress may stand before the failure. */
  static void assertOneFailure(Result result, String word) {
    assertOneFailure(1, result, word);
  }

  static void assertOneFailure(int exitCode, Result result, String word) {
    assertThat(result.exitCode()).isEqualTo(exitCode);
    assertThat(result.err().lines().filter(line -> line.startsWith("lorikeet: ")))
        .singleElement()
        .asString()
        .contains(word);
    assertThat(result.err()).doesNotContain("at io.github");
  }
}
