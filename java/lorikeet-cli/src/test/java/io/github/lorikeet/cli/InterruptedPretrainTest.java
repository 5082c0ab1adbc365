// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code lorikeet pretrain} in a JVM of its own, which is asked to end as by Ctrl-C. */
class InterruptedPretrainTest {
  private static final int SIGTERM = 143;
  private static final int IMAGES = 20_000;

  @TempDir Path folder;
  private Process process;

  @AfterEach
  void endProcess() {
    if (process != null) {
      process.destroyForcibly();
    }
  }

  @Test
  void beforeTheFirstEpochEndsItReplacesNothing() throws Exception {
    BufferedImage image = new BufferedImage(32, 32, BufferedImage.TYPE_BYTE_GRAY);
    ImageIO.write(image, "png", folder.resolve("0.png").toFile());
    Path list = Files.writeString(folder.resolve("list.txt"), "0.png 0\n".repeat(IMAGES));
    Path out = Files.writeString(folder.resolve("start.safetensors"), "earlier");
    Path log = Files.writeString(folder.resolve("start.safetensors.jsonl"), "earlier");
    Path said = folder.resolve("said.txt");
    start(said, "--list", list.toString(), "--out", out.toString());
    while (process.isAlive() && !Files.readString(said).contains("peak")) {
      Thread.sleep(5);
    }
    process.destroy();
    assertThat(process.waitFor()).as(Files.readString(said)).isEqualTo(SIGTERM);
    assertThat(said).content().contains("interrupted before the first epoch ended", out.toString());
    assertThat(out).hasContent("earlier");
    assertThat(log).hasContent("earlier");
  }

  private void start(Path said, String... files) throws Exception {
    List<String> arguments = new ArrayList<>(List.of("pretrain"));
    arguments.addAll(List.of(files));
    arguments.addAll(List.of("--image-size", "32", "--patch", "8", "--width", "64"));
    arguments.addAll(List.of("--depth", "1", "--decoder-width", "32"));
    arguments.addAll(List.of("--decoder-depth", "1", "--decoder-heads", "2"));
    arguments.addAll(List.of("--epochs", "2", "--batch", "1"));
    process = OwnProcess.start(said, arguments);
  }
}
