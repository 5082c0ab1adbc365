// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.Gradient.Contribution;
import java.util.Arrays;

/** Mean binary cross-entropy of logits against targets. Saves both. */
final class BceOperation extends LossOperation {
  private final Variable logits;
  private final Variable targets;

  BceOperation(Recording recording, Variable logits, Variable targets) {
    super(recording);
    this.logits = recording.use(logits);
    this.targets = recording.use(targets);
    if (logits.type() != DType.F32) {
      throw new IllegalArgumentException("logits: " + logits + ", expected f32");
    }
    if (!Arrays.equals(logits.sizes(), targets.sizes())) {
      throw new IllegalArgumentException(
          "targets: " + targets + ", expected the sizes of logits: " + logits);
    }
    Tensor loss = Tensor.unplaced(DType.F32, 1);
    recording
        .call(
            "bce_with_logits_forward",
            () -> recording.kernels.bceWithLogitsForward(logits.tensor(), targets.tensor(), loss))
        .reads(logits.tensor(), targets.tensor())
        .writes(loss);
    output(loss, logits.requiresGradient());
  }

  @Override
  void backwardFrom(float scale) {
    Contribution dLogits = logits.contribute(false);
    recording
        .call(
            "bce_with_logits_backward",
            () ->
                recording.kernels.bceWithLogitsBackward(
                    logits.tensor(),
                    targets.tensor(),
                    recording.lossFactor(scale),
                    dLogits.tensor()))
        .reads(logits.tensor(), targets.tensor())
        .writes(dLogits.tensor());
    dLogits.join();
  }
}
