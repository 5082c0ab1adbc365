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
 */
public record Work(double operations, double bytes) {
  /** Operations a byte beyond which a case is held against arithmetic, not against memory. */
  private static final double RIDGE = 8;

  /** Work that has no roof to be held against. */
  public static final Work NONE = new Work(0, 0);

  /** Whether arithmetic, and not memory, is what limits this work on any current processor. */
  public boolean isArithmetic() {
    return bytes == 0 || operations / bytes > RIDGE;
  }

  public Work plus(Work other) {
    return new Work(operations + other.operations, bytes + other.bytes);
  }
}
