// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.cli.output.OutputLock;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Outputs that a command must not write to: its own inputs, a folder, another run's. */
class InputsKeptTest {
  private static final int FAILED = 1;
  private static final int WRONG_USAGE = 2;
  private static final String BUSY = "another run is writing to it";

  @TempDir Path folder;

  private Path input(String name) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.exists(file) ? file : Files.writeString(file, "kept");
  }

  private void refuses(Path out, String why, Object... arguments) throws IOException {
    ends(WRONG_USAGE, out, why, arguments);
    if (!Files.isDirectory(out)) {
      assertThat(out).hasContent("kept");
    }
  }

  private static void ends(int expectedExit, Path out, String why, Object... arguments) {
    Cli.Result result = Cli.lorikeet(arguments);
    assertThat(result.err()).startsWith("lorikeet: " + out + ": " + why).hasLineCount(1);
    assertThat(result.exitCode()).isEqualTo(expectedExit);
  }

  @Test
  void everyCommandThatWritesAFileChecksItFirst() throws IOException {
    Path weights = input("w.safetensors");
    Path list = input("list.txt");
    Path tensors = input("adapter/adapter_model.safetensors");
    Path adapter = tensors.getParent();
    String same = "would replace ";
    for (Path out : new Path[] {weights, list, tensors, folder}) {
      String why = out == folder ? "is a folder" : same + out;
      refuses(
          out,
          why,
          "predict",
          "--weights",
          weights,
          "--adapter",
          adapter,
          "--list",
          list,
          "--out",
          out);
    }
    for (String command : new String[] {"merge", "export"}) {
      refuses(weights, same, command, "--weights", weights, "--out", weights);
      refuses(tensors, same, command, "--weights", weights, "--adapter", adapter, "--out", tensors);
      refuses(folder, "is a folder", command, "--weights", weights, "--out", folder);
    }
    refuses(list, same, "pretrain", "--list", list, "--out", list);
    refuses(folder, "is a folder", "pretrain", "--list", list, "--out", folder);
    Path log = input("run/log.jsonl");
    input("run/config.json");
    refuses(log, same, "report", log.getParent(), "--out", log);
    refuses(folder, "is a folder", "bench", "--case", "gelu", "--json", folder);
    refuses(folder, "is a folder", "bench", "--case", "gelu", "--html", folder);
  }

  @Test
  void anImageOfTheListIsKeptToo() throws IOException {
    Path image = input("0.png");
    Path list = Files.writeString(folder.resolve("images.txt"), "0.png 0\n");
    Path weights = folder.resolve("small.safetensors");
    SafetensorsWriter.write(weights, TestFiles.smallModel(1, 1));
    String same = "would replace " + image;
    refuses(image, same, "predict", "--weights", weights, "--list", list, "--out", image);
    refuses(image, same, "pretrain", "--list", list, "--out", image);
  }

  @Test
  void whatAnotherRunWritesToIsKept() throws IOException {
    Path list = TestFiles.writeNoise(folder, 8, 32);
    Path start = folder.resolve("start.safetensors");
    Path samples = Files.createDirectory(folder.resolve("samples"));
    TestFiles.writeNoise(samples, 8, 32);
    Files.move(samples.resolve("list.txt"), samples.resolve("test_list.txt"));
    try (OutputLock _ = OutputLock.ofFile(start);
        OutputLock _ = OutputLock.ofFolder(folder)) {
      ends(FAILED, start, BUSY, "pretrain", "--batch", 8, "--list", list, "--out", start);
      ends(FAILED, folder, BUSY, "demo", "--samples", samples, "--out", folder);
    }
    assertThat(start).doesNotExist();
  }
}
