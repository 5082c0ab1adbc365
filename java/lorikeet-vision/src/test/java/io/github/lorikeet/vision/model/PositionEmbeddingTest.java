// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
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
    assertThat(Arrays.copyOfRange(values, 4, 20))
        .containsExactly(
            new float[] {0, 1, 0, 1, sin, cos, 0, 1, 0, 1, sin, cos, sin, cos, sin, cos}, ROUNDING);
  }

  /** Width 8 has two frequencies, 1 and 10000^(-1/2) = .01; here for row 1, column 2 of three. */
  @Test
  void frequenciesFallWithTheirNumber() {
    float[] values = PositionEmbedding.sineCosine(8, 3, true);
    double[] angles = {2, 0.02, 1, 0.01};
    float[] expected = new float[8];
    for (int i = 0; i < 8; i++) {
      double angle = angles[i / 4 * 2 + i % 2];
      expected[i] = (float) (i % 4 < 2 ? Math.sin(angle) : Math.cos(angle));
    }
    assertThat(values).hasSize(10 * 8);
    assertThat(Arrays.copyOfRange(values, 6 * 8, 7 * 8)).containsExactly(expected, ROUNDING);
  }

  /** Every channel, the class token's among them, is resized as if it were alone. */
  @Test
  void channelsAreResizedApart() {
    float[][] channels = {{9, 0, 1, 5, 2}, {-8, 3, 3, 7, 1}, {7, 4, -2, 0, 6}};
    float[] rows = new float[5 * 3];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = channels[i % 3][i / 3];
    }
    float[] resized = PositionEmbedding.resize(rows, 3, 1, 2, 3);
    assertThat(resized).hasSize(10 * 3);
    for (int c = 0; c < 3; c++) {
      float[] alone = PositionEmbedding.resize(channels[c], 1, 1, 2, 3);
      for (int token = 0; token < 10; token++) {
        assertThat(resized[token * 3 + c]).as("%d, %d", token, c).isEqualTo(alone[token]);
      }
      assertThat(alone[0]).isEqualTo(channels[c][0]);
    }
  }
}
