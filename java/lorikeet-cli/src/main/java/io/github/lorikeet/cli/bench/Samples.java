// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import java.util.Arrays;

/** Measured values, at least one. */
public record Samples(double[] values) {
  public Samples {
    values = values.clone();
    Arrays.sort(values);
  }

  public double min() {
    return values[0];
  }

  public double median() {
    return quantile(0.5);
  }

  /** Linear between neighbours; 0 is the least value, 1 the greatest. */
  public double quantile(double q) {
    double at = q * (values.length - 1);
    int below = (int) at;
    int above = Math.min(below + 1, values.length - 1);
    return values[below] + (at - below) * (values[above] - values[below]);
  }

  /** The middle half's width as a part of the median. */
  public double spread() {
    return (quantile(0.75) - quantile(0.25)) / median();
  }

  @Override
  public double[] values() {
    return values.clone();
  }
}
