// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

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

/** {@code lorikeet pretrain} to a file that is there already. */
class PretrainAgainTest {
  private static final int WRONG_USAGE = 2;

  @TempDir Path folder;
  private Path list;
  private Path out;

  @BeforeEach
  void makeFiles() throws IOException {
    list = TestFiles.writeNoise(folder, 8, 32);
    out = folder.resolve("start.safetensors");
  }

  private String pretrain(int exitCode, String... more) {
    List<String> words = new ArrayList<>(List.of("pretrain", "--list", list.toString()));
    words.addAll(List.of("--image-size", "32", "--patch", "8", "--width", "64", "--depth", "1"));
    words.addAll(List.of("--decoder-width", "32", "--decoder-depth", "1", "--decoder-heads", "2"));
    words.addAll(List.of("--epochs", "1", "--batch", "8", "--out", out.toString()));
    words.addAll(List.of(more));
    StringWriter err = new StringWriter();
    int code =
        Main.run(
            new PrintWriter(new StringWriter()),
            new PrintWriter(err),
            words.toArray(String[]::new));
    assertThat(code).as(err.toString()).isEqualTo(exitCode);
    return err.toString();
  }

  @Test
  void aFinishedStartIsReplacedOnlyWhenToldSo() throws IOException {
    pretrain(0);
    byte[] first = Files.readAllBytes(out);
    assertThat(pretrain(WRONG_USAGE, "--seed", "1"))
        .isEqualTo(
            "lorikeet: %s: holds the weights of a finished run: choose another file, or pass"
                    .formatted(out)
                + " --overwrite to replace it\n");
    pretrain(0, "--resume");
    assertThat(out).hasBinaryContent(first);
    pretrain(0, "--seed", "1", "--overwrite");
    assertThat(Files.readAllBytes(out)).isNotEqualTo(first);
  }

  @Test
  void aFileOfAnotherKindIsKeptToo() throws IOException {
    Files.writeString(out, "kept");
    assertThat(pretrain(WRONG_USAGE))
        .isEqualTo(
            "lorikeet: %s: is there already, and not of a finished run: choose another file, or"
                    .formatted(out)
                + " pass --overwrite to replace it\n");
    assertThat(out).hasContent("kept");
  }
}
