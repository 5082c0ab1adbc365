// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.vision.image.CounterRandom.Purpose;
import io.github.lorikeet.vision.image.RandAugment.Operation;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class RandAugmentTest {
  private static final int DRAWS = 12_000;

  /** Grey levels that every operation but colour changes. */
  private static Image image() {
    byte[] pixels = new byte[32 * 32];
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = (byte) (10 + i * i % 177);
    }
    return new Image(32, 32, 1, pixels);
  }

  private static CounterRandom random(int index) {
    return new CounterRandom(4, 1, index, Purpose.RAND_AUGMENT);
  }

  @Test
  void drawsEveryOperationAndEitherSignAlike() {
    Image image = image();
    Map<ByteBuffer, Double> expected = new HashMap<>();
    for (Operation operation : Operation.values()) {
      for (double sign : new double[] {1, -1}) {
        Image changed = RandAugment.apply(operation, image, 0.9, sign, 122);
        expected.merge(ByteBuffer.wrap(changed.pixels()), DRAWS / 30.0, Double::sum);
      }
    }
    // Eight operations go two ways; the other seven, colour of a grey image among them, one.
    assertThat(expected).hasSize(8 * 2 + 7);
    RandAugment one = new RandAugment(1, 1, 9, 0);
    Map<ByteBuffer, Integer> counts = new HashMap<>();
    for (int i = 0; i < DRAWS; i++) {
      counts.merge(ByteBuffer.wrap(one.apply(image, 122, random(i)).pixels()), 1, Integer::sum);
    }
    assertThat(counts.keySet()).isEqualTo(expected.keySet());
    // Deviations are 20 and 27.
    counts.forEach(
        (pixels, count) ->
            assertThat(count).isCloseTo((int) (double) expected.get(pixels), within(130)));
  }

  @Test
  void appliesTwoOperationsHalfOfTheTimeEach() {
    Image image = image();
    int unchanged = 0;
    for (int i = 0; i < DRAWS; i++) {
      byte[] pixels = RandAugment.STANDARD.apply(image, 122, random(i)).pixels();
      unchanged += Arrays.equals(pixels, image.pixels()) ? 1 : 0;
    }
    // An operation leaves the image alone when it is not applied, or is colour: 1/2 + 1/2 * 1/15.
    // Both do in .2844 of the draws; now and then two undo one another (invert twice: .0011).
    assertThat(unchanged / (double) DRAWS).isCloseTo(0.2856, within(0.016));
  }

  @Test
  void aViewDependsOnSeedEpochAndIndexAlone() {
    Image image = image();
    RandAugment all = new RandAugment(2, 1, 9, 0.5);
    byte[] pixels = all.apply(image, 122, random(3)).pixels();
    assertThat(all.apply(image, 122, random(3)).pixels()).isEqualTo(pixels);
    assertThat(all.apply(image, 122, random(4)).pixels()).isNotEqualTo(pixels);
  }

  @Test
  void refusesImpossibleSettings() {
    assertThatThrownBy(() -> new RandAugment(0, 0.5, 9, 0.5)).hasMessageContaining("0 operations");
    assertThatThrownBy(() -> new RandAugment(2, 1.5, 9, 0.5))
        .hasMessageContaining("probability 1.5");
    assertThatThrownBy(() -> new RandAugment(2, 0.5, 11, 0.5)).hasMessageContaining("magnitude 11");
    assertThatThrownBy(() -> new RandAugment(2, 0.5, 9, -1)).hasMessageContaining("deviation -1");
  }
}
