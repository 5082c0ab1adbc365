// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.Tensor;

/**
 * One operation of a tape. Its constructor records the forward call. What that call saves beside
 * its output is written only if the backward pass asked for it: the call's body looks at the fields
 * when it runs.
 */
abstract class Operation {
  final Recording recording;
  private Variable output;

  Operation(Recording recording) {
    this.recording = recording;
    recording.beginOperation();
  }

  /** Names the result; to be called once, by the constructor. */
  final void output(Tensor tensor, boolean requiresGradient) {
    output = new Variable(recording, tensor, this, requiresGradient && recording.training);
    recording.add(this);
  }

  final Variable output() {
    return output;
  }

  /** Records the calls that make, from the output's gradient, its inputs' and its parameters'. */
  abstract void backward(Tensor dy);

  /**
   * If the output is gelu(z) and nothing else: z, from now on kept for the backward pass, in which
   * the output's only user then gives the gradient of z in place of the output's. Else null.
   */
  Tensor fuseGelu() {
    return null;
  }

  /**
   * If one pass over what the backward pass keeps anyway makes the output again: records that pass
   * and returns what it writes, so that the output itself need not be kept. Else null. The numbers
   * are the output's, but for what was rounded to 16 bits on the way.
   */
  Tensor remake() {
    return null;
  }
}
