// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class RandomTest extends KernelsTestCase {
  @Test
  void uniformNumbersArePhiloxs() {
    // Philox 4x32-10 of counter 0 and key 0: a known answer of its authors' test suite.
    Tensor numbers = output(4);
    kernels.randomUniform(new RandomKey(0, 0), numbers);
    double scale = 1.0 / (1L << 32);
    assertNumbers(
        numbers,
        0x6627e8d5L * scale,
        0xe169c58dL * scale,
        0xbc57ac4cL * scale,
        0x9b00dbd8L * scale);
  }

  @Test
  void everyPartOfTheKeyCounts() {
    Tensor numbers = output(8);
    RandomKey key = new RandomKey(5, 6);
    kernels.randomUniform(key, numbers);
    float[] first = numbers.download();
    key.step(1);
    assertThat(key.step()).isEqualTo(1);
    kernels.randomUniform(key, numbers);
    assertThat(numbers.download()).isNotEqualTo(first);
    kernels.randomUniform(new RandomKey(5, 7), numbers);
    assertThat(numbers.download()).isNotEqualTo(first);
    kernels.randomUniform(new RandomKey(4, 6), numbers);
    assertThat(numbers.download()).isNotEqualTo(first);
    key.step(0);
    kernels.randomUniform(key, numbers);
    assertThat(numbers.download()).isEqualTo(first);
    assertRefused(
        () -> kernels.randomUniform(null, numbers),
        "random_uniform: random: NULL, expected a seed, a stream and a step");
  }

  @Test
  void dropPathKeepsTheMean() {
    Tensor scales = output(10_000);
    kernels.dropPathScales(0.2f, new RandomKey(1, 2), scales);
    int dropped = 0;
    for (float scale : scales.download()) {
      assertThat(scale).isIn(0f, 1.25f);
      dropped += scale == 0 ? 1 : 0;
    }
    // Four standard deviations around p n.
    assertThat(dropped).isBetween(1840, 2160);
    assertRefused(
        () -> kernels.dropPathScales(1, new RandomKey(1, 2), scales),
        "drop_path_scales: p: 1, expected 0 <= p < 1");
  }
}
