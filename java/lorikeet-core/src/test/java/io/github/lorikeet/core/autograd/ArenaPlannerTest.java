// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.core.autograd.ArenaPlanner.Interval;
import io.github.lorikeet.core.autograd.ArenaPlanner.Layout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

class ArenaPlannerTest {
  private static final long ALIGNMENT = 64;

  @Test
  void tensorsThatNeverMeetShareOnePlace() {
    Layout layout =
        ArenaPlanner.plan(
            List.of(new Interval(0, 1, 100), new Interval(2, 3, 128), new Interval(4, 4, 1)), 64);
    assertThat(layout.offsets()).containsExactly(0, 0, 0);
    assertThat(layout.bytes()).isEqualTo(128);
  }

  @Test
  void tensorsThatMeetInOneCallDoNot() {
    Layout layout = ArenaPlanner.plan(List.of(new Interval(0, 1, 100), new Interval(1, 2, 64)), 64);
    assertThat(layout.offsets()).containsExactly(0, 128);
    assertThat(layout.bytes()).isEqualTo(192);
  }

  @Test
  void theSmallestGapIsTaken() {
    // At call 1 the block reads: 0-320 live, 320-576 free, 576-640 live, 640-768 free, 768-832
    // live. A tensor of 128 bytes fits both gaps.
    List<Interval> intervals =
        List.of(
            new Interval(0, 1, 320),
            new Interval(0, 0, 256),
            new Interval(0, 1, 64),
            new Interval(0, 0, 128),
            new Interval(0, 1, 64),
            new Interval(1, 1, 128));
    long[] offsets = {0, 320, 576, 640, 768};
    Layout layout = ArenaPlanner.plan(intervals, 64);
    assertThat(layout.bytes()).isEqualTo(832);
    assertNoOverlap(intervals, layout);
    assertThat(ArenaPlanner.floor(intervals, 64)).isEqualTo(832);
    assertThat(ArenaPlanner.smallestGap(List.of(0, 2, 4), intervals, offsets, 128, 64))
        .isEqualTo(640);
    assertThat(ArenaPlanner.smallestGap(List.of(0, 2, 4), intervals, offsets, 192, 64))
        .isEqualTo(320);
    assertThat(ArenaPlanner.smallestGap(List.of(0, 2, 4), intervals, offsets, 320, 64))
        .isEqualTo(832);
  }

  @RepeatedTest(20)
  void randomGraphs(RepetitionInfo repetition) {
    SplittableRandom random = new SplittableRandom(repetition.getCurrentRepetition());
    List<Interval> intervals = new ArrayList<>();
    int calls = random.nextInt(1, 200);
    for (int i = random.nextInt(300); i >= 0; i--) {
      int first = random.nextInt(calls);
      int last = Math.min(calls, first + random.nextInt(random.nextBoolean() ? 4 : calls));
      intervals.add(new Interval(first, last, random.nextInt(1 << random.nextInt(1, 16))));
    }
    Layout layout = ArenaPlanner.plan(intervals, ALIGNMENT);
    assertNoOverlap(intervals, layout);
    for (int i = 0; i < intervals.size(); i++) {
      assertThat(layout.offsets()[i] % ALIGNMENT).isZero();
      assertThat(layout.offsets()[i] + intervals.get(i).bytes())
          .isLessThanOrEqualTo(layout.bytes());
    }
    assertThat(layout.bytes()).isGreaterThanOrEqualTo(ArenaPlanner.floor(intervals, ALIGNMENT));
    assertThat(ArenaPlanner.plan(intervals, ALIGNMENT).offsets()).isEqualTo(layout.offsets());
  }

  private static void assertNoOverlap(List<Interval> intervals, Layout layout) {
    for (int i = 0; i < intervals.size(); i++) {
      for (int j = 0; j < i; j++) {
        Interval a = intervals.get(i);
        Interval b = intervals.get(j);
        boolean together = a.first() <= b.last() && b.first() <= a.last();
        boolean apart =
            layout.offsets()[i] + a.bytes() <= layout.offsets()[j]
                || layout.offsets()[j] + b.bytes() <= layout.offsets()[i];
        assertThat(apart || !together)
            .as("%s at %d and %s at %d", a, layout.offsets()[i], b, layout.offsets()[j])
            .isTrue();
      }
    }
  }
}
