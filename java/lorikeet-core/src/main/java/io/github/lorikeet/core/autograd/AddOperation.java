// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.Tensor;
import java.util.Arrays;

/** y = a + b. Saves nothing; the output's gradient is that of both. */
final class AddOperation extends Operation {
  private final Variable a;
  private final Variable b;

  AddOperation(Recording recording, Variable a, Variable b) {
    super(recording);
    this.a = recording.use(a);
    this.b = recording.use(b);
    if (a.type() != b.type() || !Arrays.equals(a.sizes(), b.sizes())) {
      throw new IllegalArgumentException(a + " and " + b + ": expected the same type and sizes");
    }
    Tensor y = Tensor.unplaced(a.type(), a.sizes());
    recording
        .call("add", () -> recording.kernels.add(a.tensor(), b.tensor(), y))
        .reads(a.tensor(), b.tensor())
        .writes(y)
        .mayReplace(y, a.tensor())
        .mayReplace(y, b.tensor());
    output(y, a.requiresGradient() || b.requiresGradient());
  }

  @Override
  void backward(Tensor dy) {
    boolean owned =
        output().gradientSum().owned() && !(a.requiresGradient() && b.requiresGradient());
    for (Variable input : new Variable[] {a, b}) {
      if (input.requiresGradient()) {
        input.gradientSum().accept(dy, owned);
      }
    }
  }
}
