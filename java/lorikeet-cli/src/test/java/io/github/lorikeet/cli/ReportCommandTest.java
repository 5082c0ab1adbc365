// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

class ReportCommandTest {
  @TempDir Path folder;

  /** A run as far as the report looks at it; auroc: null while it is going on. */
  private void run(String name, String mode, Double auroc) throws IOException {
    Path run = Files.createDirectories(folder.resolve(name));
    Files.writeString(run.resolve("config.json"), "{\"mode\": \"" + mode + "\", \"rank\": 4}");
    Files.writeString(run.resolve("log.jsonl"), "{\"epoch\": 1, \"loss\": 0.5}\n");
    if (auroc != null) {
      Files.writeString(
          run.resolve("result.json"),
          "{\"val_auroc\": 0.7, \"trained_parameters\": 5, \"parameters\": 1000, \"seconds\": 2,"
              + " \"measured_device_bytes\": 64, \"test\": {\"auroc\": "
              + auroc
              + "}}");
    }
  }

  private Cli.Result run(Path... folders) {
    return Cli.lorikeet("report", "--out", folder.resolve("page.html"), folders);
  }

  private String report() {
    return report(folder);
  }

  private String report(Path... folders) {
    Cli.Result result = run(folders);
    assertThat(result.exitCode()).as(result.err()).isZero();
    return result.out();
  }

  @Test
  @Timeout(60)
  void aDamagedRunIsNamed() throws Exception {
    run("a", "lora", 0.8);
    run("b", "lora", 0.8);
    Path config = folder.resolve("b/config.json");
    Files.writeString(config, "{\"a\": 1}");
    refuses(config + ": is damaged: method 'null'");
    Files.write(config, new byte[] {'{', (byte) 0xFF});
    refuses(config + ": cannot be read: it is not UTF-8 text");
    Files.delete(config);
    assertThat(new ProcessBuilder("mkfifo", config.toString()).start().waitFor()).isZero();
    refuses(config + ": cannot be read: not a file");
    Files.delete(config);
    Files.writeString(config, " ".repeat((16 << 20) + 1));
    refuses(config + ": cannot be read: it has more than 16777216 bytes");
  }

  private void refuses(String message) {
    Cli.Result result = run(folder);
    assertThat(result.err()).startsWith("lorikeet: " + message).hasLineCount(1);
    assertThat(result.exitCode()).isEqualTo(1);
  }

  /** 0.8 and 0.9: mean 0.85, sample deviation 0.1 / sqrt 2 = 0.071. */
  @Test
  void seedsOfOneFolderArePutTogether() throws IOException {
    run("10/lora/seed-0", "lora", 0.8);
    run("10/lora/seed-1", "lora", 0.9);
    run("10/lora/seed-2", "lora", null);
    run("10/full/seed-0", "full", 0.6);
    String said = report();
    assertThat(said)
        .containsPattern("lora/seed-1 +LoRA, rank 4 +1 +0.7000 +0.9000")
        .containsPattern("lora/seed-2 +LoRA, rank 4 +1 so far")
        .containsPattern("LoRA, rank 4 +2 +0.850 ± 0.071 +0.50 %")
        .containsPattern("full fine-tuning +1 +0.600 +0.50 %");
    assertThat(folder.resolve("page.html")).content().contains(">0.850</b>", " ± 0.071");
  }

  @Test
  void aRunNamedTwiceCountsOnceAndLinksAreFollowed() throws IOException {
    run("10/lora/seed-0", "lora", 0.8);
    run("10/lora/seed-1", "lora", 0.9);
    Path link = Files.createSymbolicLink(folder.resolve("link"), folder.resolve("10"));
    assertThat(report(folder.resolve("10/lora/seed-1"), link, folder.resolve("10/lora")))
        .containsPattern("LoRA, rank 4 +2 +0.850 ± 0.071");
  }

  @Test
  void runsOfDifferentNamesStandForThemselves() throws IOException {
    run("first", "lora", 0.8);
    run("second", "lora", 0.9);
    assertThat(report()).containsPattern("second +LoRA").doesNotContain("±");
  }

  @Test
  @Timeout(60)
  void aStdoutThatIsAppendedToKeepsWhatItHas() throws Exception {
    run("first", "lora", 0.8);
    Path file = Files.writeString(folder.resolve("file"), "before\n");
    Path out = Files.createSymbolicLink(folder.resolve("out"), Path.of("/dev/stdout"));
    Process process =
        OwnProcess.of(Main.class, List.of("report", folder.toString(), "--out", out.toString()))
            .redirectOutput(ProcessBuilder.Redirect.appendTo(file.toFile()))
            .start();
    assertThat(process.waitFor()).isZero();
    assertThat(out).isSymbolicLink();
    assertThat(file).content().startsWith("before\n<").contains("</html>", "report  " + out);
  }
}
