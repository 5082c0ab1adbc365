// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.lk_linear_backward_options;
import java.lang.foreign.MemorySegment;

/**
 * How {@link Kernels#linearBackward} and {@link Kernels#loraLinearBackward} read dy and finish d_x:
 * {@code lk_linear_backward_options}. Each part is added by its method; null takes it away again.
 */
public final class LinearBackwardOptions {
  private final Pointers pointers = new Pointers(lk_linear_backward_options.layout(), 2);

  /** Options that ask for nothing. */
  public LinearBackwardOptions() {}

  /** [s], as in the forward pass: dy is scaled by it first. */
  public LinearBackwardOptions rowScale(Tensor scales) {
    lk_linear_backward_options.row_scale(pointers.struct(), pointers.set(0, scales));
    return this;
  }

  /**
   * Rows [m, k]: x was gelu(z), and d_x becomes the gradient of z, (dy W) ∘ gelu'(z). May be d_x
   * itself (in place). Not with {@link Kernels#ADD_TO_D_X}.
   */
  public LinearBackwardOptions xPreActivation(Tensor z) {
    lk_linear_backward_options.x_pre_activation(pointers.struct(), pointers.set(1, z));
    return this;
  }

  /** {@link Kernels#ADD_TO_D_X}, {@link Kernels#ADD_TO_PARAMETERS}, or 0 to overwrite. */
  public LinearBackwardOptions flags(int flags) {
    lk_linear_backward_options.flags(pointers.struct(), flags);
    return this;
  }

  MemorySegment use(KernelCalls calls) {
    return pointers.use(calls);
  }
}
