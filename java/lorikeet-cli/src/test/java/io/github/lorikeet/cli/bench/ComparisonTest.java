// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.cli.bench.Comparison.Row;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which changes between two runs are named, and which are noise. */
class ComparisonTest {
  /** Rounds of a cost that scatter evenly by a part of it in both directions. */
  private static Samples rounds(double cost, double scatter, long seed) {
    return rounds(25, cost, scatter, seed);
  }

  private static Samples rounds(int count, double cost, double scatter, long seed) {
    Random random = new Random(seed);
    double[] values = new double[count];
    for (int i = 0; i < values.length; i++) {
      values[i] = cost * (1 + scatter * (2 * random.nextDouble() - 1));
    }
    return new Samples(values);
  }

  @Test
  void aSlowdownOutsideTheSpreadIsNamed() {
    Row row = Comparison.row("a", rounds(1.15, 0.05, 1), rounds(1, 0.05, 2));
    assertThat(row.isRegression()).isTrue();
    assertThat(row.ratio()).isBetween(1.1, 1.2);
    assertThat(Comparison.row("a", rounds(1, 0.05, 2), rounds(1.15, 0.05, 1)))
        .matches(Row::isImprovement)
        .matches(faster -> !faster.isRegression());
  }

  @Test
  void noiseIsNot() {
    for (int seed = 0; seed < 50; seed++) {
      Row row = Comparison.row("a", rounds(1, 0.3, seed), rounds(1, 0.3, seed + 1000));
      assertThat(row.isRegression() || row.isImprovement()).as("seed %d", seed).isFalse();
    }
    assertThat(Comparison.row("a", rounds(1.15, 0.5, 1), rounds(1, 0.5, 2)).isRegression())
        .isFalse();
  }

  @Test
  void ofFewRoundsTheSpreadIsAllOfThem() {
    int named = 0;
    for (int seed = 0; seed < 1000; seed++) {
      Row row = Comparison.row("a", rounds(5, 1, 0.1, seed), rounds(5, 1, 0.1, seed + 100_000));
      named += row.isRegression() || row.isImprovement() ? 1 : 0;
      assertThat(
              Comparison.row("a", rounds(5, 1.25, 0.1, seed), rounds(5, 1, 0.1, seed + 100_000))
                  .isRegression())
          .as("seed %d", seed)
          .isTrue();
    }
    // Five of one run above five of the other: 2 in 252.
    assertThat(named).isLessThan(20);
  }

  @Test
  void aTinySlowdownIsNotHoweverSharp() {
    assertThat(Comparison.row("a", rounds(1.03, 0.001, 1), rounds(1, 0.001, 2)).isRegression())
        .isFalse();
  }

  @Test
  void quantilesAreLinearBetweenNeighbours() {
    Samples samples = new Samples(new double[] {4, 1, 3, 2});
    assertThat(samples.min()).isEqualTo(1);
    assertThat(samples.median()).isEqualTo(2.5);
    assertThat(samples.quantile(0.25)).isEqualTo(1.75);
    assertThat(samples.quantile(1)).isEqualTo(4);
    assertThat(samples.spread()).isEqualTo(1.5 / 2.5);
  }

  @Test
  void otherFilesAreRefused(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("other.json");
    for (String text : new String[] {"", "[1, 2]", "{\"a\": {\"b\": [1]}}", "{", "hello"}) {
      Files.writeString(file, text);
      assertThatThrownBy(() -> Comparison.read(file))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("expected a file that lorikeet bench --json wrote");
    }
  }
}
