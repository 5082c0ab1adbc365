// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Round values that divide an axis: multiples of 1, 2 or 5 times a power of ten, or powers of ten.
 *
 * @param values ascending, at least two
 * @param decimals that tell neighbours apart; powers of ten have what each needs
 * @param logarithmic whether equal distances on the axis are equal ratios
 */
record Ticks(List<Double> values, int decimals, boolean logarithmic) {
  private static final int STEPS = 5;

  /** Ticks that span all of [low, high], which must be finite. */
  static Ticks around(double low, double high) {
    return around(low, high, 0);
  }

  /** The same, whole numbers only. */
  static Ticks whole(double low, double high) {
    return around(low, high, 1);
  }

  private static Ticks around(double low, double high, double leastStep) {
    // A fifth of less would be 0.
    double span = high > low ? Math.max(high - low, Double.MIN_NORMAL) : Math.max(Math.abs(low), 1);
    double power = Math.pow(10, Math.floor(Math.log10(span / STEPS)));
    double multiple = span / STEPS / power;
    double round = power * (multiple <= 1 ? 1 : multiple <= 2 ? 2 : multiple <= 5 ? 5 : 10);
    double step = Math.max(round, leastStep);
    List<Double> values = new ArrayList<>();
    long first = (long) Math.floor(low / step + 1e-9);
    long last = Math.max(first + 1, (long) Math.ceil(high / step - 1e-9));
    for (long i = first; i <= last; i++) {
      values.add(i * step);
    }
    return new Ticks(values, Math.max(0, (int) -Math.floor(Math.log10(step) + 1e-9)), false);
  }

  /** Powers of ten that span all of [low, high], both above 0. */
  static Ticks powers(double low, double high) {
    int first = (int) Math.floor(Math.log10(low) + 1e-9);
    int last = Math.max(first + 1, (int) Math.ceil(Math.log10(high) - 1e-9));
    List<Double> values = new ArrayList<>();
    for (int i = first; i <= last; i++) {
      values.add(Math.pow(10, i));
    }
    return new Ticks(values, 0, true);
  }

  /** Where a value lies between the first tick, 0, and the last, 1. */
  double position(double value) {
    return logarithmic
        ? Math.log(value / first()) / Math.log(last() / first())
        : (value - first()) / (last() - first());
  }

  double first() {
    return values.getFirst();
  }

  double last() {
    return values.getLast();
  }

  String label(double value) {
    int places = logarithmic ? (int) Math.max(0, -Math.round(Math.log10(value))) : decimals;
    return String.format(Locale.ROOT, "%." + places + "f", value);
  }
}
