// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

/**
 * What was measured of a case, or of a peer that does the same.
 *
 * @param subject the case
 * @param peer who did it; empty for Lorikeet
 * @param seconds of each round
 * @param arithmetic operations a second that the machine could do, in each round; 0 without a probe
 * @param memory bytes a second that it could move, in each round; 0 without a probe
 * @param pass bytes a second that a loop moved which goes over memory as the case does, in each
 *     round; 0 without a probe or such a loop
 * @param cost of each round: its seconds over those that its limit alone would have taken in the
 *     same round; without a probe the seconds themselves
 * @param heapBytes allocated on the Java heap a run
 * @param nativeAllocations allocations on the device in the last round
 * @param peakBytes most in use on the device, 0 for peers
 */
public record Measurement(
    Case subject,
    String peer,
    Samples seconds,
    Samples arithmetic,
    Samples memory,
    Samples pass,
    Samples cost,
    long heapBytes,
    long nativeAllocations,
    long peakBytes) {

  public double operationsPerSecond() {
    return subject.work().operations() / seconds.median();
  }

  public double bytesPerSecond() {
    return subject.work().bytes() / seconds.median();
  }

  /** The share of the multiply-add peak; NaN where nothing is to be said. */
  public double ofArithmetic() {
    return share(operationsPerSecond(), arithmetic.median());
  }

  /** The share of the memory bandwidth; above 1 where caches serve. */
  public double ofMemory() {
    return share(bytesPerSecond(), memory.median());
  }

  /** The share of what a loop that does nothing else reaches on the same way over memory. */
  public double ofPass() {
    return share(bytesPerSecond(), pass.median());
  }

  private static double share(double rate, double limit) {
    return rate > 0 && limit > 0 ? rate / limit : Double.NaN;
  }
}
