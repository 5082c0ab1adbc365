// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.examples;

import java.util.function.IntFunction;

/**
 * What the examples have in common: the network's sizes, and how its two trainings are compared.
 * The network is embed, a frozen linear layer with LoRA, GELU and head, on random numbers; embed,
 * A, B and head are trained.
 */
final class Comparison {
  static final long ROWS = 1576;
  static final long FEATURES = 64;
  static final long K = 768;
  static final long N = 3072;
  static final long RANK = 8;
  static final float ALPHA = 16;
  static final float SCALING = ALPHA / RANK;
  static final float LEARNING_RATE = 1e-3f;

  private static final int STEPS = 20;

  /** Of two losses that differ by the order of f32 sums alone, which steps let grow. */
  private static final double TOLERANCE = 1e-3;

  private Comparison() {}

  /**
   * Ends the process with 1 where the curves differ.
   *
   * @param plain the losses of as many steps by the library's own operations
   * @param embedded the same with Lorikeet's
   */
  static void run(String library, IntFunction<double[]> plain, IntFunction<double[]> embedded) {
    double[] theirs = plain.apply(STEPS);
    double[] ours = embedded.apply(STEPS);
    double difference = 0;
    System.out.printf("%-12s%16s%16s%n", "loss at step", library, "with Lorikeet");
    for (int step = 0; step < STEPS; step++) {
      if (step % 5 == 0 || step == STEPS - 1) {
        System.out.printf("%-12d%16.6f%16.6f%n", step + 1, theirs[step], ours[step]);
      }
      difference = Math.max(difference, Math.abs(theirs[step] - ours[step]) / theirs[step]);
    }
    if (!(difference <= TOLERANCE)) {
      System.err.printf(
          "The losses differ by %.1e, expected at most %.0e.%n", difference, TOLERANCE);
      System.exit(1);
    }
  }
}
