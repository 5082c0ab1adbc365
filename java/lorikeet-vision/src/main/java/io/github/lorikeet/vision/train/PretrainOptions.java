// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.model.MaskedAutoencoder.Decoder;

/**
 * How a masked autoencoder is trained.
 *
 * @param learningRate at the end of the warm-up; the schedule ends at 0
 * @param warmupEpochs epochs of linear warm-up
 * @param epochs passes over the images
 * @param batch images a step
 * @param weightDecay of matrices
 * @param maskRatio share of the patches that the encoder does not see
 * @param decoder the decoder's shape
 * @param augment random views
 * @param seed of every random choice
 * @param activations numbers that layers work on: f32, bf16 or f16; what is trained stays f32
 */
public record PretrainOptions(
    double learningRate,
    double warmupEpochs,
    int epochs,
    int batch,
    double weightDecay,
    double maskRatio,
    Decoder decoder,
    Augment augment,
    long seed,
    DType activations) {

  public PretrainOptions {
    if (!(maskRatio > 0 && maskRatio < 1)) {
      throw new IllegalArgumentException(
          "mask " + maskRatio + ": expected more than 0, less than 1");
    }
    if (!(weightDecay >= 0 && Double.isFinite(weightDecay))) {
      throw new IllegalArgumentException("weight-decay " + weightDecay + ": expected 0 or more");
    }
    if (!(learningRate > 0 && Double.isFinite(learningRate))
        || epochs < 1
        || batch < 1
        || !(warmupEpochs >= 0 && warmupEpochs < epochs)) {
      throw new IllegalArgumentException(
          "lr "
              + learningRate
              + ", epochs "
              + epochs
              + ", batch "
              + batch
              + ", warmup "
              + warmupEpochs
              + ": expected all above 0, and a warm-up of less than the epochs");
    }
  }

  public Schedule schedule() {
    return new Schedule(learningRate, 0, warmupEpochs, epochs);
  }
}
