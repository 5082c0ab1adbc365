// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

class ScoresTest {
  private static final Offset<Double> ROUNDING = within(1e-7);

  private static Scores scores(float[] logits, int... labels) {
    byte[] bytes = new byte[labels.length];
    for (int i = 0; i < labels.length; i++) {
      bytes[i] = (byte) labels[i];
    }
    return new Scores(logits, bytes, 1);
  }

  /** Of logits 0, ln 3 and -2: 1/2, 3/(3 + 1) and 1/(1 + e^2) = .1192029. */
  @Test
  void probabilitiesAreSigmoids() {
    Scores scores = scores(new float[] {0, (float) Math.log(3), -2}, 0, 1, 1);
    assertThat(scores.probability(0, 0)).isCloseTo(0.5, ROUNDING);
    assertThat(scores.probability(1, 0)).isCloseTo(0.75, ROUNDING);
    assertThat(scores.probability(2, 0)).isCloseTo(0.1192029, ROUNDING);
  }

  /** -ln of what each image's own label was given: (ln 2 + ln 4/3 + ln(1 + e^2)) / 3. */
  @Test
  void lossIsTheMeanCrossEntropy() {
    Scores scores = scores(new float[] {0, (float) Math.log(3), -2}, 0, 1, 1);
    assertThat(scores.loss()).isCloseTo((0.6931472 + 0.2876821 + 2.1269280) / 3, ROUNDING);
    // Where e^z is no number any more, the wrong side costs |z| and the right one nothing.
    assertThat(scores(new float[] {1000, -1000, 1000, -1000}, 0, 1, 1, 0).loss()).isEqualTo(500);
  }
}
