// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.Gradient.Contribution;

/**
 * GELU on its own; saves x. A linear layer that alone uses the output takes over the derivative.
 */
final class GeluOperation extends Operation {
  private final Variable x;
  private boolean fused;

  GeluOperation(Recording recording, Variable x) {
    super(recording);
    this.x = recording.use(x);
    Tensor y = Tensor.unplaced(x.type(), x.sizes());
    recording
        .call("gelu_forward", () -> recording.kernels.geluForward(x.tensor(), y))
        .reads(x.tensor())
        .writes(y)
        .mayReplace(y, x.tensor());
    output(y, x.requiresGradient());
  }

  @Override
  Tensor fuseGelu() {
    fused = true;
    return x.tensor();
  }

  @Override
  void backward(Tensor dy) {
    if (fused) {
      x.gradientSum().accept(dy, output().gradientSum().owned());
      return;
    }
    Contribution dX = x.contribute(false);
    recording
        .call("gelu_backward", () -> recording.kernels.geluBackward(x.tensor(), dy, dX.tensor()))
        .reads(x.tensor(), dy)
        .writes(dX.tensor())
        .mayReplace(dX.tensor(), dy)
        .mayReplace(dX.tensor(), x.tensor());
    dX.join();
  }
}
