// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

/**
 * What a case does, counted from its shapes.
 *
 * @param operations floating-point operations of its matrix products, two a multiply-add; elsewhere
 *     of what the formula needs. 0 where there are none to speak of
 * @param bytes that have to move at least: every tensor once in each direction it goes. 0 where
 *     that says nothing
 * @param pass the way they move
 */
public record Work(double operations, double bytes, Pass pass) {
  /** A way over memory that the probe can go too, doing nothing else. */
  public enum Pass {
    /** None of these. */
    OTHER,
    /** One array is read, another of the same size written. */
    COPY,
    /** Two arrays are read, a third of the same size is written. */
    SUM,
    /** One array is read, two others are changed in place. */
    UPDATE_TWO,
    /** One array is read, three others are changed in place. */
    UPDATE_THREE
  }

  /** Operations a byte beyond which a case is held against arithmetic, not against memory. */
  private static final double RIDGE = 8;

  /** Work that has no roof to be held against. */
  public static final Work NONE = new Work(0, 0);

  public Work(double operations, double bytes) {
    this(operations, bytes, Pass.OTHER);
  }

  /** Whether arithmetic, and not memory, is what limits this work on any current processor. */
  public boolean isArithmetic() {
    return bytes == 0 || operations / bytes > RIDGE;
  }

  public Work plus(Work other) {
    return new Work(operations + other.operations, bytes + other.bytes);
  }
}
