// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.Gradient.Contribution;

/** The mean of the tokens from one on: [batch, tokens, k] to [batch, k]. Saves nothing. */
final class MeanPoolOperation extends Operation {
  private final Variable x;
  private final int firstToken;

  MeanPoolOperation(Recording recording, Variable x, int firstToken) {
    super(recording);
    this.x = recording.use(x);
    this.firstToken = firstToken;
    long[] sizes = x.sizes();
    if (sizes.length != 3 || firstToken < 0 || firstToken >= sizes[1]) {
      throw new IllegalArgumentException(
          x
              + ": expected [batch, tokens, k] with more tokens than the "
              + firstToken
              + " left out");
    }
    Tensor y = Tensor.unplaced(DType.F32, sizes[0], sizes[2]);
    recording
        .call(
            "mean_pool_forward", () -> recording.kernels.meanPoolForward(x.tensor(), firstToken, y))
        .reads(x.tensor())
        .writes(y);
    output(y, x.requiresGradient());
  }

  @Override
  void backward(Tensor dy) {
    Contribution dX = x.contribute(false);
    recording
        .call(
            "mean_pool_backward",
            () -> recording.kernels.meanPoolBackward(dy, firstToken, dX.tensor()))
        .reads(dy)
        .writes(dX.tensor());
    dX.join();
  }
}
