// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.Gradient.Contribution;

/** Chosen tokens of each sample: [batch, tokens, k] to [batch, s, k]. Saves the indices. */
final class TokenGatherOperation extends Operation {
  private final Variable x;
  private final Variable indices;

  TokenGatherOperation(Recording recording, Variable x, Variable indices) {
    super(recording);
    this.x = recording.use(x);
    this.indices = recording.use(indices);
    long[] sizes = x.sizes();
    checkIndices(x, indices);
    Tensor y = Tensor.unplaced(x.type(), sizes[0], indices.size(1), sizes[2]);
    recording
        .call(
            "token_gather_forward",
            () -> recording.kernels.tokenGatherForward(x.tensor(), indices.tensor(), y))
        .reads(x.tensor(), indices.tensor())
        .writes(y);
    output(y, x.requiresGradient());
  }

  /** [batch, s], i32, for x [batch, any, k]. */
  static void checkIndices(Variable x, Variable indices) {
    long[] sizes = x.sizes();
    if (sizes.length != 3) {
      throw new IllegalArgumentException(x + ": expected [batch, tokens, k]");
    }
    if (indices.tensor().type() != DType.I32
        || indices.sizes().length != 2
        || indices.size(0) != sizes[0]) {
      throw new IllegalArgumentException(
          "indices: " + indices + ", expected i32 [" + sizes[0] + ", s] for " + x);
    }
  }

  @Override
  void backward(Tensor dy) {
    Contribution dX = x.contribute(false);
    recording
        .call(
            "token_gather_backward",
            () -> recording.kernels.tokenGatherBackward(dy, indices.tensor(), dX.tensor()))
        .reads(dy, indices.tensor())
        .writes(dX.tensor());
    dX.join();
  }
}
