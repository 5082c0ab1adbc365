// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.cli.output.OutputLock;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code lorikeet train} in a JVM of its own, which is killed as by {@code kill -9}. */
class KilledRunTest {
  private static final int EPOCHS = 120;

  @TempDir Path folder;
  private OwnProcess process;

  @BeforeEach
  void makeData() throws IOException {
    TestFiles.writeNoise(folder, 8, 32);
    SafetensorsWriter.write(folder.resolve("start.safetensors"), TestFiles.smallModel(2, 1));
  }

  @AfterEach
  void endProcess() {
    if (process != null) {
      process.close();
    }
  }

  private List<String> arguments(Path out, String... more) {
    String list = folder.resolve("list.txt").toString();
    List<String> arguments = new ArrayList<>(List.of("train"));
    arguments.addAll(List.of("--train", list, "--val", list, "--test", list));
    arguments.addAll(List.of("--weights", folder.resolve("start.safetensors").toString()));
    arguments.addAll(List.of("--optimizer", "adamw", "--drop-path", "0.1", "--lr", "0.002"));
    arguments.addAll(List.of("--batch", "4", "--epochs", "" + EPOCHS, "--evaluate-every", "2"));
    arguments.addAll(List.of("--out", out.toString()));
    arguments.addAll(Arrays.asList(more));
    return arguments;
  }

  private void start(Path out, String... more) throws IOException {
    process = OwnProcess.start(folder.resolve("said.txt"), arguments(out, more));
  }

  private void finish() throws Exception {
    assertThat(process.exitCode()).as(process.said()).isZero();
  }

  /** Waits until the log has this many lines, then kills the process wherever it is. */
  private void killAfter(int lines, Path out) throws Exception {
    process.awaitLines(lines, out.resolve("log.jsonl"));
    process.kill();
    assertThat(process.exitCode())
        .as("killed before the end: %s", process.said())
        .isEqualTo(OwnProcess.SIGKILL);
    assertThat(out.resolve("result.json")).doesNotExist();
  }

  @Test
  void killedAtSeveralMomentsItEndsWithTheSameBits() throws Exception {
    Path whole = folder.resolve("whole");
    start(whole);
    finish();
    assertThat(Files.readString(whole.resolve("result.json")))
        .as("the best comes after the first kills")
        .containsPattern("best_epoch\" : ([3-9][0-9]|1[0-9][0-9])");
    Path killed = folder.resolve("killed");
    start(killed, "--resume");
    killAfter(1, killed);
    for (int lines : new int[] {24, 25}) {
      start(killed, "--resume");
      killAfter(lines, killed);
    }
    start(killed, "--resume");
    finish();
    assertThat(process.said()).contains("going on after epoch 2");
    for (String name : List.of("adapter/adapter_model.safetensors", "predictions.csv")) {
      assertThat(killed.resolve(name)).hasSameBinaryContentAs(whole.resolve(name));
    }
    for (String name : List.of("log.jsonl", "result.json", "config.json")) {
      assertThat(TestFiles.withoutTimes(killed.resolve(name)))
          .isEqualTo(TestFiles.withoutTimes(whole.resolve(name)).replace(whole + "", killed + ""));
    }
    assertThat(TestFiles.lines(killed.resolve("log.jsonl"))).isEqualTo(EPOCHS);
    assertThat(killed.toFile().list()).doesNotContain("state.safetensors");
  }

  @Test
  void aSecondRunIntoTheFolderIsRefusedUntilTheFirstIsGone() throws Exception {
    Path out = folder.resolve("run");
    start(out);
    // The first look comes after epoch 2, and its adapter before the next epoch's line.
    process.awaitLines(3, out.resolve("log.jsonl"));
    String message =
        "lorikeet: " + out + ": another run is writing to it: wait for it or choose another --out";
    assertThat(Cli.lorikeet(arguments(out))).isEqualTo(new Cli.Result(1, "", message + "\n"));
    assertThat(out.resolve("adapter")).as("the first one's").exists();
    killAfter(1, out);
    OutputLock.ofFolder(out).close();
  }
}
