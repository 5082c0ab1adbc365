// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;

import io.github.lorikeet.cli.DemoCommand.Outcome;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.train.Scores;
import io.github.lorikeet.vision.train.TrainMode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What the demo trains on, and what it says of made-up outcomes. */
class DemoReportTest {
  /** Runs whose test lists have one image with the label, which is ranked above right of eight. */
  private static Outcome outcome(String group, TrainMode mode, boolean randomStart, int... right) {
    int rank = mode == TrainMode.LORA ? 4 : 0;
    DemoTask task = new DemoTask(group, "list", mode, randomStart, rank, 0.1, 5, 8, right.length);
    return new Outcome(task, Arrays.stream(right).mapToObj(DemoReportTest::run).toList());
  }

  private static TrainingRun.Result run(int right) {
    float[] logits = new float[9];
    byte[] labels = new byte[9];
    labels[0] = 1;
    for (int i = 1; i < logits.length; i++) {
      logits[i] = i <= right ? -1 : 1;
    }
    Scores test = new Scores(logits, labels, 1);
    return new TrainingRun.Result(List.of(), 1, test, List.of(), 20, 3000, 400, 500, right);
  }

  /** 4/8 and 6/8: the deviation of a sample of two is their distance / sqrt 2. */
  @Test
  void aRowHasTheMeansOfItsRuns() {
    assertThat(DemoReport.row(outcome("54 labels", TrainMode.LORA, false, 4, 6)))
        .containsExactly(
            entry("labels", "54"),
            entry("method", "lora"),
            entry("start", "pretrained"),
            entry("rank", 4),
            entry("seeds", 2),
            entry("auroc_mean", 0.625),
            entry("auroc_sd", Math.sqrt(0.03125)),
            entry("trained_parameters", 20L),
            entry("parameters", 3000L),
            entry("seconds_a_run", 5.0),
            entry("planned_bytes", 400L),
            entry("peak_bytes", 500L));
    assertThat(DemoReport.row(outcome("54 labels", TrainMode.FULL, true, 6)))
        .contains(entry("method", "full"), entry("start", "random"), entry("seeds", 1));
  }

  @Test
  void theBestOfEachGroupIsNamedFirst() {
    List<Outcome> outcomes =
        List.of(
            outcome("54 labels", TrainMode.LORA, false, 4, 6),
            outcome("54 labels", TrainMode.FULL, true, 3),
            outcome("54 labels", TrainMode.LINEAR_PROBE, false, 7),
            outcome("550 labels", TrainMode.LORA, false, 6),
            outcome("550 labels", TrainMode.FULL, false, 5));
    assertThat(DemoReport.summary(outcomes, 159))
        .startsWith(
            "With 54 labels: linear probe 0.875, then LoRA, rank 4 0.625 ± 0.177, then full"
                + " fine-tuning, random start 0.375.",
            "With 550 labels: LoRA, rank 4 0.750, then full fine-tuning 0.625.")
        .hasSize(3)
        .last()
        .asString()
        .contains("159 test images");
  }

  private static List<DemoTask> tasks() {
    return DemoTask.all(3);
  }

  @ParameterizedTest
  @MethodSource("tasks")
  void aTaskHasAsManyLabelsAsItsNameSays(DemoTask task) {
    Path samples = Path.of(System.getProperty("lorikeet.root"), "samples");
    assertThat(task.group())
        .isEqualTo(ImageList.read(samples.resolve(task.list())).size() + " labels");
  }
}
