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
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DataCommandTest {
  @TempDir Path folder;

  /** A small data set laid out as NIH ChestX-ray14. */
  @BeforeEach
  void makeData() throws IOException {
    Path images = Files.createDirectory(folder.resolve("all_classes"));
    for (int i = 0; i < 3; i++) {
      BufferedImage image = new BufferedImage(8 + i, 8, BufferedImage.TYPE_BYTE_GRAY);
      ImageIO.write(image, "png", images.resolve(i + ".png").toFile());
    }
    Files.writeString(
        folder.resolve("train_1.txt"),
        "0.png 1" + " 0".repeat(13) + "\n1.png" + " 0".repeat(14) + "\n");
    Files.writeString(folder.resolve("test_list.txt"), "2.png" + " 1".repeat(14) + "\n");
  }

  @Test
  void soundDataIsCounted() {
    Result result = lorikeet("data", "check", "--data", "nih", folder);
    assertThat(result.exitCode()).isZero();
    assertThat(result.out())
        .contains("NIH ChestX-ray14    train_1.txt  test_list.txt\n")
        .contains("images                        2              1\n")
        .contains("Atelectasis                   1              1\n")
        .contains("Hernia                        0              1\n")
        .contains("none                          1              0\n")
        .contains("3 files in ")
        .contains("note: train_1.txt has 2 images, the study's 785\n")
        .contains("note: train_1.txt has no image with Hernia: no AUROC for it\n")
        .endsWith("Every image is there and sound.\n");
  }

  @Test
  void findingsEndInExitCodeOne() throws IOException {
    Files.delete(folder.resolve("all_classes/2.png"));
    Files.writeString(folder.resolve("all_classes/1.png"), "text");
    Result result = lorikeet("data", "check", "--data", "nih", folder, "--threads", 1);
    assertThat(result.exitCode()).isEqualTo(1);
    Path images = folder.resolve("all_classes");
    assertThat(result.out())
        .contains(
            "\n1 missing images:\n  test_list.txt: "
                + images.resolve("2.png")
                + " does not exist\n")
        .contains(
            "\n1 images that cannot be decoded:\n  train_1.txt: "
                + images.resolve("1.png")
                + ": not a JPEG, PNG or DICOM file");
  }

  @Test
  void longListsOfFindingsAreCutShortButNotInJson() throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 15; i++) {
      lines.append("none").append(i).append(".png 1\n");
    }
    Path list = Files.writeString(folder.resolve("list.txt"), lines);
    Result text = lorikeet("data", "check", list);
    assertThat(text.exitCode()).isEqualTo(1);
    assertThat(text.out())
        .contains("\n15 missing images:\n", "none9.png", "  and 5 more (--json lists all)\n")
        .doesNotContain("none10.png");
    Result json = lorikeet("data", "check", "--json", "--images", folder, list);
    assertThat(json.exitCode()).isEqualTo(1);
    assertThat(json.out())
        .contains("\"kind\" : \"missing\"", "\"image\" : \"none14.png\"", "\"unlabelled\" : 0")
        .contains("\"label_1\" : 15", "\"data\" : null");
  }

  @Test
  void aListTellsTheTerminalNothing() throws IOException {
    Path list = Files.writeString(folder.resolve("list.txt"), "a\u001b]0;title\u0007.png 1\n");
    Result found = lorikeet("data", "check", list);
    assertThat(found.out()).contains("a?]0;title?.png does not exist").doesNotContain("\u001b");
    Result weights = lorikeet("predict", "--weights", list, "--list", "\u001b[31m", "--out", "o");
    assertThat(weights.err()).hasLineCount(1).doesNotContain("\u001b");
  }

  @Test
  void wrongUsageIsOneLine() throws IOException {
    Path empty = Files.createDirectory(folder.resolve("empty"));
    Result lists = lorikeet("data", "check", empty);
    assertThat(lists.exitCode()).isEqualTo(2);
    assertThat(lists.err()).contains("has none of the lists train_1.txt").hasLineCount(1);
    Result name = lorikeet("data", "check", "--data", "mimic", folder);
    assertThat(name.exitCode()).isEqualTo(2);
    assertThat(name.err()).contains("data set 'mimic': expected nih, chexpert, rsna");
    assertThat(lorikeet("data").err()).contains("a command is missing; see lorikeet data --help");
    assertThat(lorikeet("data", "check", "--help").out())
        .contains("Examples:\n  lorikeet data check");
    assertThat(lorikeet("data", "check").exitCode()).isEqualTo(2);
    Result threads = lorikeet("data", "check", "--threads", 200_000, folder);
    assertThat(threads.exitCode()).isEqualTo(2);
    assertThat(threads.err()).isEqualTo("lorikeet: --threads 200000: expected 0 to 1024\n");
  }
}
