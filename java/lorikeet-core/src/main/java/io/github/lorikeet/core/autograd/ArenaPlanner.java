// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Gives every tensor of a step its place in one block of memory: tensors that live at the same time
 * never overlap, all others may.
 *
 * <p>The largest tensor goes first, each into the smallest gap between the tensors already placed
 * that live at the same time as it (best fit by decreasing size; Pisarchyk and Lee, "Efficient
 * memory management for deep neural net inference", arXiv 2001.03288, call it greedy by size).
 */
final class ArenaPlanner {
  /**
   * When a tensor holds something.
   *
   * @param first the call that writes it first
   * @param last the call that reads or writes it last, included; not before {@code first}
   * @param bytes its size, 0 or more
   */
  record Interval(int first, int last, long bytes) {
    boolean meets(Interval other) {
      return first <= other.last && other.first <= last;
    }
  }

  /**
   * @param offsets where each interval's tensor begins, in bytes, a multiple of the alignment
   * @param bytes the block's size
   */
  record Layout(long[] offsets, long bytes) {}

  private ArenaPlanner() {}

  /** The next multiple of {@code alignment}. */
  static long align(long bytes, long alignment) {
    return (bytes + alignment - 1) / alignment * alignment;
  }

  /** The same intervals in the same order get the same layout. */
  static Layout plan(List<Interval> intervals, long alignment) {
    long[] offsets = new long[intervals.size()];
    List<Integer> bySize =
        IntStream.range(0, intervals.size())
            .boxed()
            .sorted(Comparator.comparingLong((Integer i) -> -intervals.get(i).bytes()))
            .toList();
    List<Integer> placed = new ArrayList<>();
    long end = 0;
    for (int i : bySize) {
      Interval interval = intervals.get(i);
      long bytes = align(interval.bytes(), alignment);
      List<Integer> neighbours =
          placed.stream().filter(other -> intervals.get(other).meets(interval)).toList();
      offsets[i] = smallestGap(neighbours, intervals, offsets, bytes, alignment);
      end = Math.max(end, offsets[i] + bytes);
      insertByOffset(placed, offsets, i);
    }
    return new Layout(offsets, end);
  }

  /** The offset of the smallest gap of {@code bytes} or more; behind the last neighbour if none. */
  static long smallestGap(
      List<Integer> neighbours,
      List<Interval> intervals,
      long[] offsets,
      long bytes,
      long alignment) {
    long best = -1;
    long bestGap = Long.MAX_VALUE;
    long covered = 0;
    for (int other : neighbours) {
      long gap = offsets[other] - covered;
      if (gap >= bytes && gap < bestGap) {
        best = covered;
        bestGap = gap;
      }
      covered = Math.max(covered, offsets[other] + align(intervals.get(other).bytes(), alignment));
    }
    return best >= 0 ? best : covered;
  }

  private static void insertByOffset(List<Integer> placed, long[] offsets, int i) {
    int at = placed.size();
    while (at > 0 && offsets[placed.get(at - 1)] > offsets[i]) {
      at--;
    }
    placed.add(at, i);
  }

  /** The most bytes that live at once: what no layout can go below. */
  static long floor(List<Interval> intervals, long alignment) {
    long most = 0;
    for (Interval moment : intervals) {
      long live = 0;
      for (Interval other : intervals) {
        if (other.first() <= moment.first() && moment.first() <= other.last()) {
          live += align(other.bytes(), alignment);
        }
      }
      most = Math.max(most, live);
    }
    return most;
  }
}
