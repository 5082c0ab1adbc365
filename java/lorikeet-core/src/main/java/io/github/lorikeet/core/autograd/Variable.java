// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Tensor;

/**
 * A tensor on a tape: an input, or an operation's output. Inputs, variables that no operation uses,
 * and those that {@link Tape#keep} named hold their contents to the end of the step; the memory of
 * the others is used again as soon as no call reads them any more.
 */
public final class Variable {
  private final Recording recording;
  private final Tensor tensor;
  private final Operation producer;
  private final Gradient gradient;
  private boolean requiresGradient;
  private int uses;

  Variable(Recording recording, Tensor tensor, Operation producer, boolean requiresGradient) {
    this.recording = recording;
    this.tensor = tensor;
    this.producer = producer;
    this.requiresGradient = requiresGradient;
    this.gradient = new Gradient(recording, tensor);
  }

  /** The device tensor, placed once the memory plan is allocated. */
  public Tensor tensor() {
    return tensor;
  }

  public DType type() {
    return tensor.type();
  }

  public long size(int dimension) {
    return tensor.size(dimension);
  }

  public long[] sizes() {
    return tensor.sizes();
  }

  /** Whether something trained lies upstream, or {@link #requireGradient} was called. */
  public boolean requiresGradient() {
    return requiresGradient;
  }

  /**
   * Asks for the gradient of an input, for whoever computes further upstream. To be called before
   * the input is used.
   *
   * @return this
   */
  public Variable requireGradient() {
    if (producer != null || uses > 0 || !recording.training) {
      throw new IllegalStateException(
          this + ": only an unused input of a training tape can be asked for its gradient");
    }
    requiresGradient = true;
    return this;
  }

  /**
   * The gradient of an input that {@link #requireGradient} was called on, valid to the end of the
   * step; null where the backward pass does not reach it.
   */
  public Tensor gradient() {
    if (producer != null || !requiresGradient) {
      throw new IllegalStateException(this + ": not an input that was asked for its gradient");
    }
    return gradient.sum();
  }

  Recording recording() {
    return recording;
  }

  /** Null for an input. */
  Operation producer() {
    return producer;
  }

  /**
   * The contents, for the call of the backward pass that is recorded next: made again where that is
   * cheaper than keeping them.
   */
  Tensor forBackward() {
    boolean kept = producer == null || !requiresGradient || recording.kept.contains(tensor);
    Tensor remade = kept ? null : producer.remake();
    return remade == null ? tensor : remade;
  }

  Gradient gradientSum() {
    return gradient;
  }

  /** Counts an operation's reading of this variable. */
  void use() {
    uses++;
  }

  int uses() {
    return uses;
  }

  /** Where a kernel writes what it contributes to the gradient; null if none is needed. */
  Gradient.Contribution contribute(boolean kernelAdds) {
    return requiresGradient ? gradient.contribute(kernelAdds) : null;
  }

  @Override
  public String toString() {
    return "variable " + tensor.shape();
  }
}
