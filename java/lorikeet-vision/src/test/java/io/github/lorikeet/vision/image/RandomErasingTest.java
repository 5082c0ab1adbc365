// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.vision.image.CounterRandom.Purpose;
import java.util.Arrays;
import java.util.EnumSet;
import org.junit.jupiter.api.Test;

class RandomErasingTest {
  private static final int SIZE = 100;
  private static final int DRAWS = 3000;

  /** A value that no noise has. */
  private static final float KEPT = 100;

  private static float[] erased(double probability, int index) {
    float[] pixels = new float[SIZE * SIZE];
    Arrays.fill(pixels, KEPT);
    RandomErasing.apply(pixels, SIZE, probability, new CounterRandom(2, 0, index, Purpose.ERASE));
    return pixels;
  }

  /** The erased rectangle, which is to be erased everywhere; null for none. */
  private static Crop rectangle(float[] pixels) {
    int left = SIZE;
    int top = SIZE;
    int right = 0;
    int bottom = 0;
    int count = 0;
    for (int i = 0; i < SIZE * SIZE; i++) {
      if (pixels[i] != KEPT) {
        left = Math.min(left, i % SIZE);
        right = Math.max(right, i % SIZE + 1);
        top = Math.min(top, i / SIZE);
        bottom = Math.max(bottom, i / SIZE + 1);
        count++;
      }
    }
    assertThat(count).isEqualTo(Math.max(right - left, 0) * Math.max(bottom - top, 0));
    return count == 0 ? null : new Crop(left, top, right - left, bottom - top);
  }

  @Test
  void erasesRectanglesOfTheRightSizeAQuarterOfTheTime() {
    int erased = 0;
    double areas = 0;
    double logs = 0;
    int lefts = 0;
    int tops = 0;
    EnumSet<Edge> touched = EnumSet.noneOf(Edge.class);
    for (int i = 0; i < DRAWS; i++) {
      Crop crop = rectangle(erased(0.25, i));
      if (crop != null) {
        erased++;
        double area = crop.width() * crop.height() / (double) (SIZE * SIZE);
        double ratio = crop.height() / (double) crop.width();
        // Sides are whole pixels: off by half of one in 7 at the smallest.
        assertThat(area).isBetween(0.02 * 0.9, 1 / 3.0 * 1.02);
        assertThat(ratio).isBetween(0.3 * 0.9, 1 / 0.3 * 1.1);
        areas += area;
        logs += Math.log(ratio);
        lefts += 2 * crop.left() < SIZE - crop.width() ? 1 : 0;
        tops += 2 * crop.top() < SIZE - crop.height() ? 1 : 0;
        touched.addAll(Edge.of(crop, SIZE, SIZE));
      }
    }
    // A quarter, with a deviation of 24; then the middle of .02 and 1/3, a little less as large
    // ones may not fit; ratio and place even out.
    assertThat(erased).isCloseTo(DRAWS / 4, within(95));
    assertThat(areas / erased).isCloseTo(0.173, within(0.015));
    assertThat(logs / erased).isCloseTo(0, within(0.1));
    assertThat(lefts / (double) erased).isCloseTo(0.5, within(0.07));
    assertThat(tops / (double) erased).isCloseTo(0.5, within(0.07));
    assertThat(touched).containsExactly(Edge.values());
  }

  @Test
  void noiseIsNormal() {
    double sum = 0;
    double squares = 0;
    int count = 0;
    for (int i = 0; i < 20; i++) {
      float[] pixels = erased(1, i);
      assertThat(rectangle(pixels)).isNotNull();
      for (int j = 0; j < SIZE * SIZE; j++) {
        if (pixels[j] != KEPT) {
          sum += pixels[j];
          squares += pixels[j] * pixels[j];
          count++;
        }
      }
    }
    // Some 35,000 values.
    assertThat(count).isGreaterThan(20_000);
    assertThat(sum / count).isCloseTo(0, within(0.03));
    assertThat(squares / count).isCloseTo(1, within(0.05));
  }

  @Test
  void withoutProbabilityNothingIsErased() {
    for (int i = 0; i < 100; i++) {
      assertThat(rectangle(erased(0, i))).isNull();
    }
  }
}
