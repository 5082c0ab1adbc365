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

  /**
   * Of all operations only two change a black picture on black: inverting makes it 255, and adding
   * up to 110 makes it 110 times the strength, rounded down. A magnitude of 5 with a deviation of
   * .5 adds 55, less the half that rounding takes, with a deviation of 5.5.
   */
  @Test
  void strengthsAreNormalAboutTheMagnitude() {
    Image black = new Image(1, 1, 1, new byte[1]);
    RandAugment one = new RandAugment(1, 1, 5, 0.5);
    double sum = 0;
    double squares = 0;
    int count = 0;
    for (int i = 0; i < DRAWS; i++) {
      int added = one.apply(black, 0, random(i)).pixels()[0] & 0xFF;
      if (added > 0 && added < 255) {
        sum += added;
        squares += added * added;
        count++;
      }
    }
    // A fifteenth, with a deviation of 27; the mean's is 5.5 / sqrt(800) = .19, the deviation's
    // .14.
    assertThat(count).isCloseTo(DRAWS / 15, within(110));
    double mean = sum / count;
    assertThat(mean).isCloseTo(54.5, within(0.8));
    assertThat(Math.sqrt(squares / count - mean * mean)).isCloseTo(5.5, within(0.55));
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
