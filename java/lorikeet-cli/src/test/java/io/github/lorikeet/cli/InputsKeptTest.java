// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An output that is a folder, or would replace what the command reads, is wrong usage. */
class InputsKeptTest {
  @TempDir Path folder;

  private Path input(String name) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.exists(file) ? file : Files.writeString(file, "kept");
  }

  private void refuses(Path out, String why, Object... arguments) throws IOException {
    StringWriter err = new StringWriter();
    String[] words = Arrays.stream(arguments).map(String::valueOf).toArray(String[]::new);
    int exitCode = Main.run(new PrintWriter(new StringWriter()), new PrintWriter(err), words);
    assertThat(err.toString()).startsWith("lorikeet: " + out + ": " + why).hasLineCount(1);
    assertThat(exitCode).isEqualTo(2);
    if (!Files.isDirectory(out)) {
      assertThat(out).hasContent("kept");
    }
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
}
