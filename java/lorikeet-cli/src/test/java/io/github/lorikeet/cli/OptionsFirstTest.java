// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Wrong options are told before anything is made for the results. */
class OptionsFirstTest {
  private static final int WRONG_USAGE = 2;

  @TempDir Path folder;
  private Path weights;
  private Path list;
  private Path out;

  @BeforeEach
  void makeFiles() throws IOException {
    list = TestFiles.writeNoise(folder, 8, 32);
    for (String name : List.of("train_10.txt", "val_list.txt", "test_list.txt")) {
      Files.copy(list, folder.resolve(name));
    }
    weights = folder.resolve("start.safetensors");
    SafetensorsWriter.write(weights, TestFiles.smallModel(1, 1));
    out = folder.resolve("new/run");
  }

  private void refuses(String why, List<String> words, String option, String value) {
    List<String> all = new ArrayList<>(words);
    all.addAll(List.of("--out", out.toString(), option, value));
    StringWriter err = new StringWriter();
    int code =
        Main.run(
            new PrintWriter(new StringWriter()), new PrintWriter(err), all.toArray(String[]::new));
    assertThat(err.toString()).startsWith("lorikeet: ").contains(why).hasLineCount(1);
    assertThat(code).isEqualTo(WRONG_USAGE);
    assertThat(out.getParent()).doesNotExist();
  }

  @Test
  void ofTrain() {
    String images = list.toString();
    refuses(
        "--cache-mb -1: expected 0 or more\n",
        List.of(
            "train",
            "--weights",
            weights.toString(),
            "--train",
            images,
            "--val",
            images,
            "--batch",
            "8"),
        "--cache-mb",
        "-1");
  }

  @Test
  void ofPretrain() {
    refuses(
        "--width 65: expected a multiple of 64\n",
        List.of("pretrain", "--list", list.toString()),
        "--width",
        "65");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--seeds | 0 | '--seeds 0: expected 1 or more'",
        "--cache-mb | -1 | '--cache-mb -1: expected 0 or more'",
        "--epochs | -1 | '--epochs -1: expected 0 or more'",
        "--batch | 0 | '--batch 0: expected 1 or more'",
        "--image-size | -1 | '--image-size -1: expected 0 or more'",
        "--evaluate-every | 0 | 'evaluate-every 0: expected 1 or more'",
        "--batch | 9 | 'has 8 images, fewer than a batch of 9'",
      })
  void ofStudy(String option, String value, String why) {
    List<String> words =
        List.of(
            "study",
            "--weights-mrm",
            weights.toString(),
            "--rsna",
            folder.toString(),
            "--fractions",
            "10");
    refuses(why, words, option, value);
  }
}
