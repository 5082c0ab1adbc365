// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

/**
 * The learning rate at every iteration: linear from 0 over the warm-up epochs, then half a cosine
 * down to {@code minimum} at the end, as "Less Could Be Better" (arXiv 2401.12215) trains.
 *
 * @param peak learning rate at the end of the warm-up
 * @param minimum learning rate at the end of training
 * @param warmupEpochs epochs of warm-up, may be fractional or 0
 * @param epochs epochs in all
 */
public record Schedule(double peak, double minimum, double warmupEpochs, double epochs) {

  /**
   * @param epoch fractional epochs done, 0 before the first iteration
   */
  public double learningRate(double epoch) {
    if (epoch < warmupEpochs) {
      return peak * epoch / warmupEpochs;
    }
    double progress = (epoch - warmupEpochs) / (epochs - warmupEpochs);
    return minimum + (peak - minimum) * 0.5 * (1 + StrictMath.cos(Math.PI * Math.min(progress, 1)));
  }
}
