// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code lorikeet pretrain} in a JVM of its own, which is asked to end as by Ctrl-C, or killed. */
class InterruptedPretrainTest {
  private static final int WRONG_USAGE = 2;
  private static final int IMAGES = 20_000;
  private static final int EPOCHS = 400;

  @TempDir Path folder;
  private OwnProcess process;

  @AfterEach
  void endProcess() {
    if (process != null) {
      process.close();
    }
  }

  @Test
  void beforeTheFirstEpochEndsItReplacesNothing() throws Exception {
    TestFiles.writeNoise(folder, 1, 32);
    Path list = Files.writeString(folder.resolve("list.txt"), "0.png 0\n".repeat(IMAGES));
    Path out = Files.writeString(folder.resolve("start.safetensors"), "earlier");
    Path log = Files.writeString(folder.resolve("start.safetensors.jsonl"), "earlier");
    start(list, out, 2, 1, "--overwrite");
    process.awaitSaying("peak");
    process.interrupt();
    assertThat(process.exitCode()).as(process.said()).isEqualTo(OwnProcess.SIGTERM);
    assertThat(process.said()).contains("interrupted before the first epoch ended", out.toString());
    assertThat(out).hasContent("earlier");
    assertThat(log).hasContent("earlier");
  }

  @Test
  void askedToEndOrKilledItGoesOnToTheSameBits() throws Exception {
    Path list = TestFiles.writeNoise(folder, 8, 32);
    Path whole = folder.resolve("whole.safetensors");
    startSmall(list, whole);
    assertThat(process.exitCode()).as(process.said()).isZero();
    Path parts = folder.resolve("parts.safetensors");
    startSmall(list, parts, "--resume");
    process.awaitLines(3, log(parts));
    process.kill();
    assertThat(process.exitCode()).as(process.said()).isEqualTo(OwnProcess.SIGKILL);
    assertThat(parts).doesNotExist();
    startSmall(list, parts);
    assertThat(process.exitCode()).isEqualTo(WRONG_USAGE);
    assertThat(process.said()).contains("--resume goes on with it, --overwrite deletes it");
    startSmall(list, parts, "--resume");
    process.awaitLines(20, log(parts));
    process.interrupt();
    assertThat(process.exitCode()).as(process.said()).isEqualTo(OwnProcess.SIGTERM);
    assertThat(process.said()).contains("going on after epoch", "with --resume goes on");
    assertThat(parts).exists();
    startSmall(list, parts, "--resume");
    assertThat(process.exitCode()).as(process.said()).isZero();
    assertThat(parts).hasSameBinaryContentAs(whole);
    assertThat(TestFiles.withoutTimes(log(parts)))
        .isEqualTo(TestFiles.withoutTimes(log(whole)))
        .hasLineCount(EPOCHS);
    assertThat(folder.toFile().list()).noneMatch(name -> name.contains(".state"));
    Files.delete(log(parts));
    startSmall(list, parts, "--resume");
    assertThat(process.exitCode()).isZero();
    assertThat(process.said()).contains("finished before");
    assertThat(log(parts)).doesNotExist();
    startSmall(list, parts, "--resume", "--seed", "5");
    assertThat(process.exitCode()).isEqualTo(WRONG_USAGE);
    assertThat(process.said()).contains(parts + ": was made by other options");
    assertThat(parts).hasSameBinaryContentAs(whole);
  }

  private static Path log(Path out) {
    return out.resolveSibling(out.getFileName() + ".jsonl");
  }

  private void startSmall(Path list, Path out, String... more) throws IOException {
    start(list, out, EPOCHS, 4, more);
  }

  private void start(Path list, Path out, int epochs, int batch, String... more)
      throws IOException {
    List<String> arguments = new ArrayList<>(List.of("pretrain"));
    arguments.addAll(List.of("--list", list.toString(), "--out", out.toString()));
    arguments.addAll(List.of("--image-size", "32", "--patch", "8", "--width", "64"));
    arguments.addAll(List.of("--depth", "1", "--decoder-width", "32"));
    arguments.addAll(List.of("--decoder-depth", "1", "--decoder-heads", "2"));
    arguments.addAll(List.of("--epochs", "" + epochs, "--batch", "" + batch));
    arguments.addAll(List.of(more));
    process = OwnProcess.start(folder.resolve("said.txt"), arguments);
  }
}
