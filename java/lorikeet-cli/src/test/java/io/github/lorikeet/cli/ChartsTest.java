// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.cli.report.Chart;
import io.github.lorikeet.cli.report.Color;
import io.github.lorikeet.vision.train.Scores;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Which of two values lies along which axis. */
class ChartsTest {
  @Test
  void aPerfectRankingsRocIsUpOnTheLeft() {
    Scores scores = new Scores(new float[] {3, -1, -2}, new byte[] {1, 0, 0}, 1);
    Chart.Line line = Charts.roc("LoRA", Color.BLUE, scores, 0);
    assertThat(line.x()).containsExactly(0, 0, 0.5, 1);
    assertThat(line.y()).containsExactly(0, 1, 1, 1);
    Chart chart = Chart.roc("ROC", List.of(line));
    assertThat(chart.x().label()).isEqualTo("false positive rate");
    assertThat(chart.y().label()).isEqualTo("true positive rate");
  }

  /** Label b: 1/2 is predicted for four images, of which one has it. No image has label a. */
  @Test
  void calibrationIsWhatWasSeenAgainstWhatWasSaid() {
    byte[] labels = {0, 1, 0, 0, 0, 0, 0, 0};
    Chart chart =
        Charts.reliability(
            List.of("a", "b"), Measures.of(new Scores(new float[labels.length], labels, 2)));
    assertThat(chart.x().label()).isEqualTo("predicted probability");
    assertThat(chart.y().label()).isEqualTo("share with the label");
    assertThat(chart.lines())
        .singleElement()
        .satisfies(
            line -> {
              assertThat(line.name()).isEqualTo("b");
              assertThat(line.color()).isEqualTo(Charts.labelColor(1));
              assertThat(line.x()).containsExactly(0.5);
              assertThat(line.y()).containsExactly(0.25);
            });
  }
}
