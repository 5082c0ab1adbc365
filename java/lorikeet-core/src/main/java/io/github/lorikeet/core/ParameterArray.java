// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.lk_parameter;
import io.github.lorikeet.core.ffi.lk_tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The tensors an optimiser trains, as one native array of {@code lk_parameter}. All tensors of an
 * entry are f32, contiguous and of one shape.
 */
public final class ParameterArray {
  private static final long[] OFFSETS = {
    lk_parameter.value$offset(),
    lk_parameter.gradient$offset(),
    lk_parameter.first_moment$offset(),
    lk_parameter.second_moment$offset(),
  };

  private final int count;
  private final MemorySegment array;
  private final Tensor[] tensors;

  /** An array of {@code count} entries, to be {@link #set} each. */
  public ParameterArray(int count) {
    this.count = count;
    this.array = lk_parameter.allocateArray(count, Arena.ofAuto());
    this.tensors = new Tensor[count * OFFSETS.length];
  }

  /**
   * Sets an entry's tensors. Both moments are zero before the first step.
   *
   * @param firstMoment SGD's momentum, AdamW's m
   * @param secondMoment AdamW's v; null for SGD
   */
  public void set(int i, Tensor value, Tensor gradient, Tensor firstMoment, Tensor secondMoment) {
    int first = i * OFFSETS.length;
    tensors[first] = value;
    tensors[first + 1] = gradient;
    tensors[first + 2] = firstMoment;
    tensors[first + 3] = secondMoment;
    for (int t = first; t < first + OFFSETS.length; t++) {
      array.asSlice(offset(t), lk_tensor.sizeof()).fill((byte) 0);
    }
  }

  /** Sets what an entry's learning rate is multiplied by, and its weight decay. */
  public void set(int i, float learningRateScale, float weightDecay) {
    MemorySegment entry = lk_parameter.asSlice(array, i);
    lk_parameter.learning_rate_scale(entry, learningRateScale);
    lk_parameter.weight_decay(entry, weightDecay);
  }

  public int count() {
    return count;
  }

  MemorySegment use(KernelCalls calls) {
    for (int t = 0; t < tensors.length; t++) {
      if (tensors[t] != null) {
        copy(calls.use(tensors[t]), t);
      }
    }
    return array;
  }

  MemorySegment shape() {
    for (int t = 0; t < tensors.length; t++) {
      if (tensors[t] != null) {
        copy(tensors[t].shapeDescriptor(), t);
      }
    }
    return array;
  }

  private void copy(MemorySegment descriptor, int t) {
    MemorySegment.copy(descriptor, 0, array, offset(t), lk_tensor.sizeof());
  }

  private static long offset(int t) {
    return t / OFFSETS.length * lk_parameter.sizeof() + OFFSETS[t % OFFSETS.length];
  }
}
