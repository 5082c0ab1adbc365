// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code lorikeet train} into a folder that holds something already. */
class TrainAgainTest {
  @TempDir Path folder;
  private Path list;
  private Path out;

  @BeforeEach
  void makeFiles() throws IOException {
    list = TestFiles.writeNoise(folder, 8, 32);
    SafetensorsWriter.write(folder.resolve("start.safetensors"), TestFiles.smallModel(1, 1));
    out = folder.resolve("run");
  }

  private String train(int exitCode, Path weights, String... more) {
    List<Object> words = new ArrayList<>(List.of("train", "--weights", weights));
    words.addAll(List.of("--train", list, "--val", list));
    words.addAll(List.of("--epochs", 1, "--batch", 8, "--out", out));
    Cli.Result result = Cli.lorikeet(words, more);
    assertThat(result.exitCode()).as(result.err()).isEqualTo(exitCode);
    return result.err();
  }

  @Test
  void aFinishedRunIsDeletedOnlyWhenToldSo() throws IOException {
    Path start = folder.resolve("start.safetensors");
    train(0, start, "--mode", "full");
    byte[] weights = Files.readAllBytes(out.resolve("weights.safetensors"));
    byte[] result = Files.readAllBytes(out.resolve("result.json"));
    assertThat(train(2, start))
        .isEqualTo(
            "lorikeet: "
                + out
                + ": holds a finished run: choose another folder, or pass --overwrite to delete"
                + " it\n");
    assertThat(out.resolve("weights.safetensors")).hasBinaryContent(weights);
    assertThat(out.resolve("result.json")).hasBinaryContent(result);
    assertThat(train(2, start, "--resume", "--overwrite")).contains("--overwrite", "--resume");
    train(0, start, "--overwrite");
    assertThat(out.resolve("weights.safetensors")).doesNotExist();
    assertThat(out.resolve("adapter")).exists();
  }

  @Test
  void theEventsOfTheRunThatIsDeletedGoWithIt() throws IOException {
    Path start = folder.resolve("start.safetensors");
    Files.createDirectories(out);
    Path old = Files.writeString(out.resolve("events.out.tfevents.1"), "old");
    Path others = Files.writeString(out.resolve("events.out.tfevents.1.host"), "kept");
    train(0, start, "--overwrite");
    assertThat(old).doesNotExist();
    assertThat(others).hasContent("kept");
    assertThat(out.toFile().list((f, name) -> name.startsWith("events."))).hasSize(2);
  }

  @Test
  void aStateToGoOnFromIsDeletedOnlyWhenToldSo() throws IOException {
    Files.createDirectories(out);
    Path state = Files.writeString(out.resolve("state.safetensors.previous"), "kept");
    assertThat(train(2, folder.resolve("start.safetensors"))).contains("holds an interrupted run");
    assertThat(state).hasContent("kept");
    train(0, folder.resolve("start.safetensors"), "--overwrite");
    assertThat(state).doesNotExist();
  }

  @Test
  void whatItReadsIsNotReplaced() throws IOException {
    Files.createDirectories(out);
    Path weights =
        Files.move(folder.resolve("start.safetensors"), out.resolve("weights.safetensors"));
    byte[] bytes = Files.readAllBytes(weights);
    for (String how : List.of("--overwrite", "--resume")) {
      assertThat(train(2, weights, how, "--mode", "full"))
          .isEqualTo(
              "lorikeet: %s: would replace %s, which is read; write to another file\n"
                  .formatted(weights, weights));
      assertThat(weights).hasBinaryContent(bytes);
    }
  }

  @Test
  void eachLabelHasANameOfItsOwn() throws IOException {
    list = Files.writeString(folder.resolve("two.txt"), "0.png 0 1\n".repeat(8));
    Path start = folder.resolve("start.safetensors");
    assertThat(train(2, start, "--label-names", "a,a"))
        .contains("'a' stands twice")
        .hasLineCount(1);
    assertThat(train(2, start, "--label-names", "a, ")).contains("' ' is no name").hasLineCount(1);
  }
}
