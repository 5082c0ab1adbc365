// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.lk_epilogue;
import java.lang.foreign.MemorySegment;

/**
 * What follows a linear layer's product in one pass, {@code lk_epilogue}: with z = x Wᵀ + bias (+
 * LoRA), y = residual + row_scale ∘ activation(z). Each part is added by its method; null takes it
 * away again.
 */
public final class Epilogue {
  private final Pointers pointers = new Pointers(lk_epilogue.layout(), 3);

  /** An epilogue that does nothing. */
  public Epilogue() {}

  /** Output, rows [m, n]: z, for {@link Kernels#geluBackward} or {@link LinearBackwardOptions}. */
  public Epilogue preActivation(Tensor z) {
    lk_epilogue.pre_activation(pointers.struct(), pointers.set(0, z));
    return this;
  }

  /** Rows [m, n]; may be the call's y itself (in place). */
  public Epilogue residual(Tensor residual) {
    lk_epilogue.residual(pointers.struct(), pointers.set(1, residual));
    return this;
  }

  /**
   * [s], s divides m: row i is scaled by entry i / (m/s). Stochastic depth has one entry a sample.
   */
  public Epilogue rowScale(Tensor scales) {
    lk_epilogue.row_scale(pointers.struct(), pointers.set(2, scales));
    return this;
  }

  public Epilogue activation(Activation activation) {
    lk_epilogue.activation(pointers.struct(), activation.code());
    return this;
  }

  MemorySegment use(KernelCalls calls) {
    return pointers.use(calls);
  }
}
