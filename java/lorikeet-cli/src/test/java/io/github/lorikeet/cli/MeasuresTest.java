// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.vision.train.Scores;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MeasuresTest {
  /** The logit of 3/4; less it is that of 1/4. */
  private static final float MORE = (float) Math.log(3);

  /**
   * Four images. Of "right", all are ranked right, each 1/4 from the truth. Of "tied", half have
   * it, and all are given 1/2. Of "wrong", two have it, and three are given 3/4, one of them has
   * it: in pairs 0, 0, 1/2, 1/2; in images, of the one given 1/4 the error is 3/4, of the three 3/4
   * - 1/3.
   *
   * <p>Samples of so few images have "wrong" at any area from 0 to 1/2, both more often than in one
   * of forty.
   */
  @Test
  void everyLabelHasItsOwn() {
    float[] logits = {
      MORE, 0, -MORE,
      MORE, 0, MORE,
      -MORE, 0, MORE,
      -MORE, 0, MORE
    };
    byte[] labels = {
      1, 1, 1,
      1, 1, 0,
      0, 0, 0,
      0, 0, 1
    };
    double likely = -Math.log(0.75);
    double even = -Math.log(0.5);
    double unlikely = -Math.log(0.25);
    Map<String, Object> expected =
        Map.of(
            "images",
            4,
            "auroc",
            1.75 / 3,
            "auroc_95",
            List.of(1.5 / 3, 2.0 / 3),
            "auroc_per_label",
            Map.of("right", 1.0, "tied", 0.5, "wrong", 0.25),
            "auroc_95_per_label",
            Map.of(
                "right", List.of(1.0, 1.0), "tied", List.of(0.5, 0.5), "wrong", List.of(0.0, 0.5)),
            "calibration_error_per_label",
            Map.of("right", 0.25, "tied", 0.0, "wrong", 0.25 * 0.75 + 0.75 * (0.75 - 1 / 3.0)),
            "loss",
            (5 * likely + 4 * even + 3 * unlikely) / 12);
    Measures measures = Measures.of(new Scores(logits, labels, 3));
    assertThat(measures.describe(List.of("right", "tied", "wrong")))
        .usingRecursiveComparison()
        .withEqualsForType((a, b) -> Math.abs(a - b) < 1e-6, Double.class)
        .isEqualTo(expected);
    assertThat(measures.positives(0)).isEqualTo(2);
  }
}
