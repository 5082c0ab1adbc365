// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

class PositionEmbeddingTest {
  private static final Offset<Float> ROUNDING = within(1e-6f);

  @Test
  void sameGridIsUnchanged() {
    float[] values = {9, 1, 2, 3, 4};
    assertThat(PositionEmbedding.resize(values, 1, 1, 2, 2)).containsExactly(values, ROUNDING);
  }

  @Test
  void constantStaysConstantAndLeadingTokenStays() {
    float[] values = {9, 5, 5, 5, 5};
    float[] resized = PositionEmbedding.resize(values, 1, 1, 2, 3);
    assertThat(resized).hasSize(10);
    assertThat(resized[0]).isEqualTo(9);
    for (int i = 1; i < 10; i++) {
      assertThat(resized[i]).isEqualTo(5, ROUNDING);
    }
  }

  /**
   * Doubling 2 to 4 along one axis: output centre x maps to (x + 0.5)/2 - 0.5 = -0.25, 0.25, 0.75,
   * 1.25. With a = -0.75 the weights at a fraction t = 0.25 of taps -1, 0, 1, 2 are k(1.25) =
   * -0.10546875, k(0.25) = 0.87890625, k(0.75) = 0.26171875, k(1.75) = -0.03515625. At 0.25 the
   * taps are 0, 0, 1, 1 after clamping (values v0, v0, v1, v1): v0 (0.7734375) + v1 (0.2265625). At
   * -0.25 = -1 + 0.75: taps -2, -1, 0, 1 clamp to 0, 0, 0, 1: v1's weight is k(1.25) = -0.10546875.
   */
  @Test
  void doublesByKeysCubic() {
    float[] rows = {0, 0, 1, 1}; // 2 x 2: rows 0 and 1
    float[] resized = PositionEmbedding.resize(rows, 1, 0, 2, 4);
    for (int x = 0; x < 4; x++) {
      assertThat(resized[x]).isEqualTo(-0.10546875f, ROUNDING);
      assertThat(resized[4 + x]).isEqualTo(0.2265625f, ROUNDING);
      assertThat(resized[8 + x]).isEqualTo(0.7734375f, ROUNDING);
      assertThat(resized[12 + x]).isEqualTo(1.10546875f, ROUNDING);
    }
  }

  /** Width 4 has one frequency, 1: sin and cos of the column, then of the row. */
  @Test
  void sinesAndCosinesOfColumnThenRow() {
    float[] values = PositionEmbedding.sineCosine(4, 2, true);
    assertThat(values).hasSize(5 * 4);
    assertThat(values).startsWith(0, 0, 0, 0);
    float sin = (float) Math.sin(1);
    float cos = (float) Math.cos(1);
    assertThat(java.util.Arrays.copyOfRange(values, 4, 20))
        .containsExactly(
            new float[] {0, 1, 0, 1, sin, cos, 0, 1, 0, 1, sin, cos, sin, cos, sin, cos}, ROUNDING);
  }
}
