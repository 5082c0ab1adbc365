// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.cli.Cli.Result;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** How train fails. */
class TrainingFailuresTest extends TrainingCommands {
  /** Wrong usage: exit code 2 and one line; nothing is made. */
  private void isWrong(Result result, String... words) {
    assertThat(result.err()).as("stderr").startsWith("lorikeet: ").hasLineCount(1).contains(words);
    assertThat(result.exitCode()).isEqualTo(2);
    assertThat(out).doesNotExist();
  }

  /** A failure: exit code 1, one line after notes; no results. */
  private void failed(Result result, String... words) {
    List<String> lines = result.err().lines().filter(line -> !line.startsWith("note: ")).toList();
    assertThat(lines).as("stderr").hasSize(1);
    assertThat(lines.getFirst()).startsWith("lorikeet: ").contains(words);
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(out.resolve("adapter")).doesNotExist();
    assertThat(out.resolve("report.html")).doesNotExist();
  }

  @Test
  void badOptionsAreWrongUsage() {
    isWrong(train("--rank", 0), "rank 0", "expected 1 to");
    isWrong(train("--rank", 100000), "rank 100000", "expected 1 to");
    isWrong(train("--batch", 17), "--batch 17", "16");
    isWrong(train("--batch", 0), "batch 0");
    isWrong(train("--targets", "q,x"), "\"x\"", "expected some of q, k, v");
    isWrong(train("--mode", "half"), "--mode half", "linear-probe");
    isWrong(train("--optimizer", "lion"), "--optimizer lion", "adamw");
    isWrong(train("--dropout", 1), "dropout 1");
    isWrong(train("--lr", -1), "lr -1");
    isWrong(train("--lr", 1, "--base-lr", 1), "--lr and --base-lr");
    isWrong(train("--erase", 1.5), "erase probability 1.5");
    isWrong(train("--epochs", 0, "--warmup", 0), "epochs 0");
    isWrong(train("--label-names", "a,b"), "--label-names", "2 names, expected 1");
    isWrong(train("--recipe", "imagenet"), "imagenet", "mrm");
    isWrong(train("--heads", 3), "heads 3");
    isWrong(train("--heads", -1), "heads -1: expected 0 or more");
    isWrong(train("--image-size", -1), "image size -1: expected 0 or more");
    isWrong(train("--image-size", 80000), "image size 80000: expected 1 to 16384");
  }

  @Test
  void aDeviceThatIsNotThereFailsWithOneLine() {
    failed(
        train("--device", "abacus"),
        "--device abacus: no device \"abacus\", expected cpu or cuda:N");
    failed(train("--device", "cuda:1000"), "--device cuda:1000: ");
    isWrong(train("--dtype", "f64"), "--dtype f64: expected f32, tf32, bf16 or f16");
    isWrong(
        train("--dtype", "tf32"),
        "--dtype tf32: tf32 is a precision of CUDA devices; device cpu multiplies f32 exactly");
    isWrong(
        train("--dtype", "f16"),
        "--dtype f16: device cpu computes f32, bf16, CUDA devices f32, bf16 and f16");
  }

  @Test
  void badFilesFailWithOneLineThatNamesThem() throws IOException {
    Path nowhere = folder.resolve("nowhere");
    failed(train("--weights", nowhere), "nowhere", "no such file");
    failed(train("--train", nowhere), "nowhere", "no such file");
    Path text = Files.writeString(folder.resolve("text.pth"), "these are no weights");
    failed(train("--weights", text), "text.pth");
    byte[] bytes = Files.readAllBytes(start);
    Path cut =
        Files.write(folder.resolve("cut.safetensors"), Arrays.copyOf(bytes, bytes.length / 2));
    failed(train("--weights", cut), "cut.safetensors");
    Path counts = Files.writeString(data.resolve("counts.txt"), "0.png 1\n1.png 1 0\n");
    failed(train("--train", counts), "counts.txt:2", "1 labels");
    Path missing = Files.writeString(data.resolve("missing.txt"), "0.png 1\nnone.png 0\n");
    failed(train("--val", missing), "missing.txt", "none.png");
  }

  @Test
  void badImagesFailWithOneLineThatNamesThem() throws IOException {
    byte[] image = Files.readAllBytes(data.resolve("0.png"));
    Files.write(data.resolve("cut.png"), Arrays.copyOf(image, image.length / 3));
    Files.writeString(data.resolve("text.png"), "no image");
    String good = Files.readString(list);
    Path cut = Files.writeString(data.resolve("cut.txt"), good + "cut.png 1\n");
    Path text = Files.writeString(data.resolve("text.txt"), good + "text.png 1\n");
    assertOneFailure(train("--val", cut), "cut.png");
    assertOneFailure(train("--val", text), "text.png");
  }

  @Test
  void anUnwritableFolderIsNoticedBeforeTraining() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "");
    Result result = train("--out", file.resolve("run"));
    assertOneFailure(result, "file");
    assertThat(Files.readString(file)).isEmpty();
  }

  @Test
  void aLossThatIsNoNumberStopsTheRun() {
    Result result = train("--mode", "full", "--lr", 1e30, "--warmup", 0);
    assertOneFailure(result, "the loss became");
    assertThat(out.resolve("weights.safetensors")).doesNotExist();
    // One update an epoch: the list that is looked at shows it before any loss does.
    result = train("--mode", "full", "--lr", 1e30, "--warmup", 0, "--batch", 16);
    assertOneFailure(result, "answers became NaN");
    assertThat(out.resolve("weights.safetensors")).doesNotExist();
  }
}
