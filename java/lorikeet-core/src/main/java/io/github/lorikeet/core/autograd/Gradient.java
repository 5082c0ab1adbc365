// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.Tensor;

/**
 * The gradient of one variable while the backward pass is recorded. Every use of the variable
 * contributes once, in the reverse order of recording, so the sum's order is fixed.
 */
final class Gradient {
  private final Recording recording;
  private final Tensor variable;
  private Tensor sum;
  private boolean owned;

  /**
   * @param variable what the gradient has the dtype and the sizes of
   */
  Gradient(Recording recording, Tensor variable) {
    this.recording = recording;
    this.variable = variable;
  }

  /** The sum so far; null before the first contribution. */
  Tensor sum() {
    return sum;
  }

  /** Whether nothing but this gradient uses the sum's tensor, so that calls may add to it. */
  boolean owned() {
    return owned;
  }

  /**
   * A tensor as it stands is a contribution.
   *
   * @param owned whether nobody else will use it
   */
  void accept(Tensor given, boolean owned) {
    if (sum == null) {
      this.sum = given;
      this.owned = owned;
      return;
    }
    Tensor a = sum;
    Tensor y = Tensor.unplaced(variable.type(), variable.sizes());
    recording
        .call("add", () -> recording.kernels.add(a, given, y))
        .reads(a, given)
        .writes(y)
        .mayReplace(y, a)
        .mayReplace(y, given);
    this.sum = y;
    this.owned = true;
  }

  /**
   * Where a kernel writes a contribution.
   *
   * @param kernelAdds whether it can add to a tensor instead of overwriting one
   */
  Contribution contribute(boolean kernelAdds) {
    boolean adds = sum != null && owned && kernelAdds;
    return new Contribution(
        this, adds ? sum : Tensor.unplaced(variable.type(), variable.sizes()), adds);
  }

  /**
   * A contribution that a kernel computes.
   *
   * @param tensor what it writes
   * @param adds whether it adds to what is there
   */
  record Contribution(Gradient gradient, Tensor tensor, boolean adds) {
    /** What to list among the call's reads. */
    Tensor read() {
      return adds ? tensor : null;
    }

    /** To be called once the kernel's call is recorded. */
    void join() {
      if (!adds) {
        gradient.accept(tensor, true);
      }
    }
  }
}
