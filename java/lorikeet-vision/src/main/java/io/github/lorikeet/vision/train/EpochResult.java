// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import io.github.lorikeet.vision.metrics.Auroc;

/**
 * One epoch of training.
 *
 * @param epoch counted from 1
 * @param learningRate at its last update
 * @param trainLoss mean over its batches
 * @param validationLoss NaN in an epoch without a look at the validation list
 * @param validation null in such an epoch
 * @param best whether this is the best mean AUROC so far
 * @param seconds of training, the look at the validation list left out
 * @param images trained on
 * @param waitingSeconds of these seconds, how many were spent waiting for images, at most: a CUDA
 *     device may have been at work meanwhile
 */
public record EpochResult(
    int epoch,
    double learningRate,
    double trainLoss,
    double validationLoss,
    Auroc validation,
    boolean best,
    double seconds,
    int images,
    double waitingSeconds) {

  /** The share of the time that was spent waiting for images: 0 when they were always ready. */
  public double waitingShare() {
    return waitingSeconds / seconds;
  }

  public double imagesPerSecond() {
    return images / seconds;
  }
}
