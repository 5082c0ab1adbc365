// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.vision.image.CounterRandom.Purpose;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class CounterRandomTest {

  @Test
  void philoxGivesItsAuthorsVectors() {
    // Known answers of the Random123 library for philox4x32-10.
    int[] zeros = new int[4];
    CounterRandom.philox(zeros, 0, 0);
    assertThat(zeros).containsExactly(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
    int[] ones = {-1, -1, -1, -1};
    CounterRandom.philox(ones, -1, -1);
    assertThat(ones).containsExactly(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
    int[] pi = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
    CounterRandom.philox(pi, 0xa4093822, 0x299f31d0);
    assertThat(pi).containsExactly(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
  }

  @Test
  void everyKeyHasNumbersOfItsOwn() {
    Set<Double> seen = new HashSet<>();
    int keys = 0;
    for (long seed : new long[] {0, 1, 1L << 32}) {
      for (int epoch = 0; epoch < 3; epoch++) {
        for (int item = 0; item < 3; item++) {
          for (Purpose purpose : Purpose.values()) {
            CounterRandom random = new CounterRandom(seed, epoch, item, purpose);
            for (int draw = 0; draw < 6; draw++) {
              seen.add(random.uniform(0, 1));
              keys++;
            }
          }
        }
      }
    }
    // Some hundred draws of 32 bits: two are equal with a probability below 1 in 10,000.
    assertThat(seen).hasSize(keys);
  }

  @Test
  void drawsStayInTheirRange() {
    CounterRandom random = new CounterRandom(5, 0, 0, Purpose.CROP);
    int[] counts = new int[3];
    for (int i = 0; i < 30_000; i++) {
      counts[random.below(3)]++;
      assertThat(random.uniform(-2, 3)).isGreaterThanOrEqualTo(-2).isLessThan(3);
    }
    // 10,000 each, with a standard deviation of 82.
    for (int count : counts) {
      assertThat(count).isBetween(9_600, 10_400);
    }
    assertThat(random.below(1)).isZero();
  }

  @Test
  void normalsAreNormal() {
    CounterRandom random = new CounterRandom(5, 0, 0, Purpose.ERASE);
    int draws = 50_000;
    double sum = 0;
    double squares = 0;
    int within = 0;
    int wide = 0;
    for (int i = 0; i < draws; i++) {
      double value = random.normal();
      sum += value;
      squares += value * value;
      within += Math.abs(value) < 1 ? 1 : 0;
      wide += Math.abs(value) > 1.959964 ? 1 : 0;
    }
    assertThat(sum / draws).isBetween(-0.02, 0.02);
    assertThat(squares / draws).isBetween(0.97, 1.03);
    // 68.27 % within one deviation, 5 % outside of 1.96.
    assertThat(within / (double) draws).isBetween(0.674, 0.691);
    assertThat(wide / (double) draws).isBetween(0.046, 0.054);
  }
}
