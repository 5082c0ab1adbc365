// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.Gradient.Contribution;

/**
 * Tokens back in their places, a learned one everywhere else, plus fixed positions: [batch, s, k]
 * to [batch, tokens, k]. Saves the indices.
 */
final class TokenScatterOperation extends Operation {
  private final Variable x;
  private final Variable indices;
  private final Parameter fill;
  private final long[] sizes;

  TokenScatterOperation(
      Recording recording,
      Variable x,
      Variable indices,
      long tokens,
      Parameter fill,
      Parameter position) {
    super(recording);
    this.x = recording.use(x);
    this.indices = recording.use(indices);
    this.fill = fill;
    TokenGatherOperation.checkIndices(x, indices);
    sizes = x.sizes();
    long width = sizes[2];
    if (indices.size(1) != sizes[1] || tokens < sizes[1]) {
      throw new IllegalArgumentException(
          "indices: " + indices + ", expected one for each token of " + x + ", of " + tokens);
    }
    if (fill.elements() != width) {
      throw new IllegalArgumentException(fill + ": expected [" + width + "]");
    }
    if (position != null && (position.trainable() || position.elements() != tokens * width)) {
      throw new IllegalArgumentException(
          position + ": expected a frozen [" + tokens + ", " + width + "]");
    }
    sizes[1] = tokens;
    Kernels kernels = recording.kernels;
    Tensor fillTensor = recording.use(fill);
    Tensor positionTensor = recording.use(position);
    Tensor y = Tensor.unplaced(x.type(), sizes);
    Tensor workspace = recording.workspace(kernels.tokenScatterForwardWorkspace(sizes[0], tokens));
    recording
        .call(
            "token_scatter_forward",
            () ->
                kernels.tokenScatterForward(
                    x.tensor(), indices.tensor(), fillTensor, positionTensor, y, workspace))
        .reads(x.tensor(), indices.tensor())
        .writes(y, workspace);
    output(y, x.requiresGradient() || fill.trainable());
  }

  @Override
  void backward(Tensor dy) {
    Kernels kernels = recording.kernels;
    boolean adds = recording.addsTo(fill);
    Contribution dX = x.contribute(false);
    Tensor dXTensor = dX == null ? null : dX.tensor();
    Tensor dFill = fill.gradientTensor();
    Tensor workspace =
        recording.workspace(kernels.tokenScatterBackwardWorkspace(sizes[0], sizes[1], sizes[2]));
    recording
        .call(
            "token_scatter_backward",
            () ->
                kernels.tokenScatterBackward(
                    dy,
                    indices.tensor(),
                    recording.parameterFlag(adds),
                    dXTensor,
                    dFill,
                    workspace))
        .reads(dy, indices.tensor())
        .writes(dXTensor, workspace);
    if (dX != null) {
      dX.join();
    }
  }
}
