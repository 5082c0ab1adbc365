// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A study's results say how they were made. */
class StudySettingsTest {
  @TempDir Path folder;

  @Test
  void whatDiffersFromTheStudyIsInEveryFile() throws IOException {
    Path list = TestFiles.writeNoise(folder, 8, 32);
    for (String name : List.of("train_10.txt", "val_list.txt", "test_list.txt")) {
      Files.copy(list, folder.resolve(name));
    }
    Path weights = folder.resolve("start.safetensors");
    SafetensorsWriter.write(weights, TestFiles.smallModel(1, 1));
    Path out = folder.resolve("study");
    String said =
        study(
            "--weights-mrm",
            weights.toString(),
            "--rsna",
            folder.toString(),
            "--fractions",
            "10",
            "--epochs",
            "2",
            "--batch",
            "4",
            "--methods",
            "lora",
            "--out",
            out.toString());
    // RSNA's recipe for 10 % has its epochs, 5 of them warm-up; two have as much of it in share.
    int epochs = 100;
    String differences =
        "Not as published, but with epochs 2 instead of %d; warmup %s instead of 5.0; batch 4 instead of 64;"
                .formatted(epochs, 5.0 * 2 / epochs)
            + " image_size 32 instead of 224; RSNA Pneumonia train_10.txt 8 images instead of 2518"
            + " images;";
    assertThat(said).contains(differences).doesNotContain("of 0 tasks");
    for (String name : List.of("study.md", "report.html")) {
      assertThat(out.resolve(name))
          .content()
          .contains(differences, "RSNA Pneumonia train_10.txt", weights.toString())
          .contains(folder.toString(), "start.safetensors, ")
          .doesNotContain("of 0 tasks");
    }
    Map<?, ?> settings =
        (Map<?, ?>) Json.parse(Files.readString(out.resolve("study.json"))).get("settings");
    assertThat(settings.get("as_published")).isEqualTo(false);
    assertThat(((Map<?, ?>) settings.get("differences")).get("batch"))
        .isEqualTo(Map.of("used", List.of("4"), "study", List.of("64")));
    assertThat(((Map<?, ?>) settings.get("inputs")).get("RSNA Pneumonia, path"))
        .isEqualTo(folder.toString());
  }

  @Test
  void theStudysOwnSettingsAreAsPublished() throws IOException {
    Path run = Files.createDirectories(folder.resolve("mrm/rsna/10/lora/seed-0"));
    StudyTask task = StudyTask.named("mrm/rsna/10");
    Map<String, Object> config =
        new StudyRun(task, StudyTask.method("lora"), 0).settings(224, StudyRun.Scale.NONE);
    config.putAll(Map.of("mode", "lora", "rank", 4, "weights", "MRM.pth, 0"));
    for (String key : List.of("train_10.txt", "val_list.txt", "test_list.txt")) {
      config.put(
          key.replaceFirst("(_10)?(_list)?.txt", "_list"),
          task.data().size(key) + " images 01234567");
    }
    Files.writeString(run.resolve("config.json"), Json.pretty(config));
    Files.writeString(run.resolve("log.jsonl"), "");
    Files.writeString(run.resolve("result.json"), "{}");
    assertThat(StudyTable.read(folder).settings().summary())
        .isEqualTo("Settings and sizes of the lists as published.");
  }

  private static String study(String... more) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    String[] words = new String[more.length + 1];
    words[0] = "study";
    System.arraycopy(more, 0, words, 1, more.length);
    int exitCode = Main.run(new PrintWriter(out), new PrintWriter(err), words);
    assertThat(exitCode).as(err.toString()).isZero();
    return out.toString();
  }
}
