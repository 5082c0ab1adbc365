// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import io.github.lorikeet.vision.metrics.Auroc;

/**
 * What a model says of a list of images, beside what the list says.
 *
 * @param logits [images, labels]
 * @param labels [images, labels], each 0 or 1; null where the list has none
 * @param labelCount labels an image
 */
public record Scores(float[] logits, byte[] labels, int labelCount) {

  public int images() {
    return logits.length / labelCount;
  }

  public float logit(int image, int label) {
    return logits[image * labelCount + label];
  }

  /** sigmoid(logit). */
  public double probability(int image, int label) {
    return 1 / (1 + Math.exp(-(double) logit(image, label)));
  }

  /** The first place in the logits that holds no number; -1 where all do. */
  public int firstNan() {
    for (int i = 0; i < logits.length; i++) {
      if (Float.isNaN(logits[i])) {
        return i;
      }
    }
    return -1;
  }

  public Auroc auroc() {
    return Auroc.of(logits, labels, labelCount);
  }

  /** Mean binary cross-entropy over all images and labels. */
  public double loss() {
    double sum = 0;
    for (int i = 0; i < logits.length; i++) {
      double z = logits[i];
      sum += Math.max(z, 0) - z * labels[i] + Math.log1p(Math.exp(-Math.abs(z)));
    }
    return sum / logits.length;
  }
}
