// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.report;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TicksTest {
  @ParameterizedTest
  @CsvSource({"0, 4.9e-324", "0, 1e-310", "1, 1.0000000000000002", "-3, 4", "0, 1e300"})
  @Timeout(10)
  void aFewSpanAnyAxis(double low, double high) {
    Ticks ticks = Ticks.around(low, high);
    assertThat(ticks.values()).hasSizeBetween(2, 12).isSorted();
    assertThat(ticks.first()).isLessThanOrEqualTo(low);
    assertThat(ticks.last()).isGreaterThanOrEqualTo(high);
    assertThat(ticks.position(high)).isBetween(0.0, 1.0);
  }
}
