// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class ScheduleTest {
  private final Schedule schedule = new Schedule(0.2, 0.1, 5, 25);

  @Test
  void warmsUpLinearlyFromZero() {
    assertThat(schedule.learningRate(0)).isZero();
    assertThat(schedule.learningRate(1.25)).isCloseTo(0.05, within(1e-15));
    assertThat(schedule.learningRate(5)).isCloseTo(0.2, within(1e-15));
  }

  @Test
  void fallsAlongHalfACosine() {
    // A quarter of the way down: minimum + (peak - minimum) * (1 + cos(pi/4)) / 2.
    assertThat(schedule.learningRate(10))
        .isCloseTo(0.1 + 0.1 * (1 + Math.sqrt(0.5)) / 2, within(1e-12));
    assertThat(schedule.learningRate(15)).isCloseTo(0.15, within(1e-12));
    assertThat(schedule.learningRate(25)).isCloseTo(0.1, within(1e-12));
  }

  @Test
  void withoutWarmUpStartsAtThePeak() {
    assertThat(new Schedule(0.2, 0, 0, 10).learningRate(0)).isEqualTo(0.2);
  }
}
