// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.Tensor;

/** An operation whose output is one number to be made small: where a backward pass begins. */
abstract class LossOperation extends Operation {
  LossOperation(Recording recording) {
    super(recording);
  }

  /** Records the gradients of scale, and of the run's loss scale, times the loss. */
  abstract void backwardFrom(float scale);

  @Override
  final void backward(Tensor dy) {
    throw new UnsupportedOperationException(
        "a loss is where a backward pass begins: call backward(loss, scale)");
  }
}
