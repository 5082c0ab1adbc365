// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.Weight;
import java.util.Arrays;

/**
 * A named tensor of a model, f32 on the device; but a frozen weight of linear layers has the type
 * of their activations. Its memory is that of the one {@link MemoryPlan} it is part of; until that
 * is allocated it is what it starts from, in host memory.
 */
public final class Parameter {
  private enum State {
    HOST,
    DEVICE,
    RELEASED
  }

  private final String name;
  private final HostTensor initial;
  private final boolean trainable;
  private final Tensor value;
  private final Tensor gradient;
  private final Tensor firstMoment;
  private final Tensor secondMoment;
  private Weight weight;
  private boolean readAsTensor;
  private boolean hasValue;
  private int moments;
  private float learningRateScale = 1;
  private float weightDecay;
  private State state = State.HOST;

  /**
   * @param name the checkpoint's key, such as {@code blocks.0.attn.qkv.weight}
   * @param initial the value to start from, of any dtype; its memory must stay readable as long as
   *     the parameter is used
   * @param trainable whether training changes it; a frozen one has no gradient, and where it is a
   *     linear layer's weight its device copy exists in the kernels' own order only
   */
  public Parameter(String name, HostTensor initial, boolean trainable) {
    this.name = name;
    this.initial = initial;
    this.trainable = trainable;
    if (initial.elements() == 0) {
      throw new IllegalArgumentException(describe() + ": expected at least one element");
    }
    value = Tensor.unplaced(DType.F32, initial.sizes());
    gradient = trainable ? Tensor.unplaced(DType.F32, initial.sizes()) : null;
    firstMoment = trainable ? Tensor.unplaced(DType.F32, initial.sizes()) : null;
    secondMoment = trainable ? Tensor.unplaced(DType.F32, initial.sizes()) : null;
  }

  public String name() {
    return name;
  }

  public long[] sizes() {
    return initial.sizes();
  }

  public long elements() {
    return value.elements();
  }

  public boolean trainable() {
    return trainable;
  }

  /** The value it starts from. */
  public HostTensor initial() {
    return initial;
  }

  /**
   * The value on the device; null before the plan is allocated, and for a frozen weight that only
   * linear layers use.
   */
  public Tensor value() {
    return state == State.DEVICE && hasValue ? value : null;
  }

  /** Null for a frozen parameter, and before the plan is allocated. */
  public Tensor gradient() {
    return state == State.DEVICE ? gradient : null;
  }

  /** SGD's momentum, AdamW's m; null for a frozen parameter, and before the plan is allocated. */
  public Tensor firstMoment() {
    return state == State.DEVICE && moments >= 1 ? firstMoment : null;
  }

  /** AdamW's v; null for a frozen parameter, without AdamW, and before the plan is allocated. */
  public Tensor secondMoment() {
    return state == State.DEVICE && moments >= 2 ? secondMoment : null;
  }

  /** What the optimiser's learning rate is multiplied by, 1 unless set. */
  public float learningRateScale() {
    return learningRateScale;
  }

  public void setLearningRateScale(float scale) {
    learningRateScale = scale;
  }

  /** The optimiser's weight decay, 0 unless set. */
  public float weightDecay() {
    return weightDecay;
  }

  public void setWeightDecay(float decay) {
    weightDecay = decay;
  }

  /**
   * The value now, also of a frozen weight.
   *
   * @throws IllegalStateException for a trained parameter whose plan was closed: its value is gone
   */
  public float[] download() {
    if (!trainable || state == State.HOST) {
      return initial.toFloats();
    }
    requireDevice();
    return value.download();
  }

  /**
   * Replaces a trained parameter's value on the device, such as when a stopped run goes on.
   *
   * @param source of this parameter's sizes
   */
  public void load(HostTensor source) {
    requireDevice();
    if (!trainable) {
      throw new IllegalStateException(describe() + " is frozen: give its value when it is made");
    }
    copy(source, value, name);
  }

  /** Such as {@code head.weight f32 [14, 768]}. */
  public String describe() {
    return name + " " + initial.shape();
  }

  @Override
  public String toString() {
    return describe();
  }

  /** Uploads source to a tensor of the same sizes. */
  static void copy(HostTensor source, Tensor destination, String name) {
    checkSizes(source, destination, name);
    destination.upload(source);
  }

  static void checkSizes(HostTensor source, Tensor destination, String name) {
    if (source == null || !Arrays.equals(source.sizes(), destination.sizes())) {
      throw new IllegalArgumentException(
          name + ": " + source + ", expected the sizes of " + destination.shape());
    }
  }

  private void requireDevice() {
    if (state != State.DEVICE) {
      String plan = state == State.HOST ? "not allocated" : "closed";
      throw new IllegalStateException(describe() + ": its memory plan is " + plan);
    }
  }

  // ---- For recordings

  /** The value for kernels that read it as it stands. */
  Tensor readAsTensor() {
    readAsTensor = true;
    return value;
  }

  /**
   * The value as the matrix [first size, all others] of a linear layer.
   *
   * @param type of the layer's activations; f32 for a trained one
   */
  Weight readAsWeight(DType type) {
    if (weight == null) {
      Weight.Format format = trainable ? Weight.Format.PLAIN : Weight.Format.PACKED;
      weight = new Weight(format, type, sizes()[0], elements() / sizes()[0]);
    }
    if (weight.type() != type) {
      throw new IllegalArgumentException(
          "%s: used with %s and with %s activations, expected one type"
              .formatted(describe(), weight.type(), type));
    }
    return weight;
  }

  Tensor matrix(Tensor tensor) {
    return tensor.reshape(sizes()[0], elements() / sizes()[0]);
  }

  /** The gradient's tensor, placed or not; null for a frozen parameter. */
  Tensor gradientTensor() {
    return gradient;
  }

  // ---- For the memory plan

  Tensor valueTensor() {
    return value;
  }

  Tensor momentTensor(int order) {
    return order == 1 ? firstMoment : secondMoment;
  }

  /** Whether calls recorded so far need a device tensor of the value. */
  boolean isPlain() {
    return trainable || readAsTensor;
  }

  /** Whether calls recorded so far need a packed copy of the value. */
  boolean isPacked() {
    return !trainable && weight != null;
  }

  /** Bytes of the packed copy. */
  long packedBytes(Kernels kernels) {
    return kernels.weightPrepareBytes(matrix(packedFrom()), Weight.Format.PACKED);
  }

  /** Bytes of the memory to pack from; 0 where the value's own serves. */
  long stagingBytes() {
    return isPacked() && packedFrom() != value ? packedFrom().bytes() : 0;
  }

  /** What {@link #isPacked} is packed from: the value's tensor, or one without a place. */
  private Tensor packedFrom() {
    return isPlain() && weight.type() == DType.F32
        ? value
        : Tensor.unplaced(weight.type(), sizes());
  }

  /**
   * Brings the initial value to the device, where every tensor has its place by now.
   *
   * @param storage of the packed copy; null for none
   * @param staging memory of {@link #stagingBytes} at least
   */
  void upload(Kernels kernels, Tensor storage, Tensor staging) {
    if (isPlain()) {
      value.upload(initial);
    }
    if (isPacked()) {
      Tensor source = packedFrom();
      if (source != value) {
        source.place(staging, 0);
        source.upload(initial);
      }
      kernels.weightPrepare(matrix(source), storage, weight);
    } else if (weight != null) {
      kernels.weightPrepare(matrix(value), null, weight);
    }
    initial.unload();
  }

  void checkUnused() {
    if (state != State.HOST) {
      throw new IllegalStateException(describe() + " is part of another memory plan already");
    }
  }

  /** Says that the tensors have their places: the value's, if it has one, and so many moments'. */
  void allocated(boolean hasValue, int moments) {
    this.hasValue = hasValue;
    this.moments = moments;
    state = State.DEVICE;
  }

  void released() {
    state = State.RELEASED;
  }
}
