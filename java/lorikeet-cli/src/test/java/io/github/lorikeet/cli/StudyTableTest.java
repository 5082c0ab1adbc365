// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.cli.output.OutputFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The study's table of made-up runs: two seeds, one, and a task that LoRA alone has finished. */
class StudyTableTest {
  @TempDir Path folder;

  private void runs(String task, String method, double... aurocs) throws IOException {
    for (int seed = 0; seed < aurocs.length; seed++) {
      Path run = folder.resolve(task).resolve(method).resolve("seed-" + seed);
      Files.createDirectories(run);
      Files.writeString(run.resolve("config.json"), "{\"mode\": \"" + method + "\"}");
      Files.writeString(run.resolve("log.jsonl"), "");
      Files.writeString(
          run.resolve("result.json"),
          "{\"trained_parameters\": 5, \"parameters\": 1000, \"test\": {\"auroc\": %s}}"
              .formatted(aurocs[seed]));
    }
  }

  @BeforeEach
  void makeRuns() throws IOException {
    runs("mrm/nih/1", "lora", .80, .81);
    runs("mrm/nih/1", "full", .77, .79);
    runs("mrm/rsna/10", "lora", .90, .92);
    runs("mrm/rsna/10", "full", .93);
    runs("mrm/rsna/10", "linear-probe", .75);
    runs("cxr-mae/nih/1", "lora", .70);
    runs("cxr-mae/nih/1", "full", .625);
    runs("cxr-mae/chexpert/100", "lora", .88);
    Files.createDirectories(folder.resolve("cxr-mae/chexpert/100/full/seed-0"));
  }

  /** The sample deviation of two numbers is their distance / sqrt 2. */
  @Test
  void eachTaskIsARowOfMeansDeviationsAndTheirDifference() {
    assertThat(StudyTable.read(folder).markdown())
        .startsWith(
            """
            | start | data | labels | LoRA | full | LoRA - full | linear probe | trained by LoRA \
            | published LoRA | published full |
            | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
            | MRM | NIH ChestX-ray14 | 1 % | 80.5 ± 0.7 | 78.0 ± 1.4 | +2.5 | – | 0.50 % \
            | 80.6 | 79.4 |
            | MRM | RSNA Pneumonia | 10 % | 91.0 ± 1.4 | 93.0 | -2.0 | 75.0 | 0.50 % | – | – |
            | CXR_MAE | NIH ChestX-ray14 | 1 % | 70.0 | 62.5 | +7.5 | – | 0.50 % | – | – |
            | CXR_MAE | CheXpert | 100 % | 88.0 | – | – | – | 0.50 % | – | – |

            LoRA is above full fine-tuning in 2 of 3 tasks (published: 13 of 18). Test AUROC in \
            percent, mean ± standard deviation over seeds.
            """);
  }

  @Test
  void filesHaveEveryDigit() throws IOException {
    StudyTable.read(folder).write(OutputFolder.create(folder));
    double half = Math.sqrt(0.5);
    double two = Math.sqrt(2);
    assertThat(Files.readAllLines(folder.resolve("study.csv")))
        .containsExactly(
            "task,lora_auroc,lora_sd,lora_seeds,lora_published,full_auroc,full_sd,full_seeds,"
                + "full_published,linear_probe_auroc,linear_probe_sd,linear_probe_seeds,"
                + "linear_probe_published,lora_minus_full,lora_trained_percent",
            "mrm/nih/1,80.5," + half + ",2,80.6,78.0," + two + ",2,79.4,,,0,,2.5,0.5",
            "mrm/rsna/10,91.0," + two + ",2,,93.0,,1,,75.0,,1,,-2.0,0.5",
            "cxr-mae/nih/1,70.0,,1,,62.5,,1,,,,0,,7.5,0.5",
            "cxr-mae/chexpert/100,88.0,,1,,,,0,,,,0,,,0.5");
    Map<String, Object> json = Json.parse(Files.readString(folder.resolve("study.json")));
    assertThat(json).containsEntry("wins", 2L).containsEntry("compared", 3L);
    Map<?, ?> second = (Map<?, ?>) ((List<?>) json.get("tasks")).get(1);
    assertThat(second.get("task")).isEqualTo("mrm/rsna/10");
    assertThat(second.get("lora_auroc")).isEqualTo(91.0);
    assertThat(second.get("lora_sd")).isEqualTo(two);
    assertThat(second.get("full_sd")).isNull();
    assertThat(second.get("lora_minus_full")).isEqualTo(-2.0);
  }
}
