// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.lk_tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A C struct that points to tensors, and room for their descriptors behind it. Descriptors are
 * copied in at every call, so that the struct follows its tensors, and whoever holds the one
 * segment keeps all that it points to.
 */
final class Pointers {
  private final MemorySegment struct;
  private final Tensor[] tensors;
  private final MemorySegment[] descriptors;

  /** A struct of this layout, all zero, that will point to at most {@code count} tensors. */
  Pointers(MemoryLayout layout, int count) {
    long tensorBytes = lk_tensor.sizeof();
    MemorySegment all =
        Arena.ofAuto()
            .allocate(
                layout.byteSize() + count * tensorBytes, ValueLayout.JAVA_LONG.byteAlignment());
    struct = all.asSlice(0, layout.byteSize());
    tensors = new Tensor[count];
    descriptors = new MemorySegment[count];
    for (int i = 0; i < count; i++) {
      descriptors[i] = all.asSlice(layout.byteSize() + i * tensorBytes, tensorBytes);
    }
  }

  MemorySegment struct() {
    return struct;
  }

  /**
   * Keeps a tensor (or none, if null) as the i-th and returns what the struct's field points to.
   */
  MemorySegment set(int i, Tensor tensor) {
    tensors[i] = tensor;
    return tensor == null ? MemorySegment.NULL : descriptors[i];
  }

  /** The struct for a call on a device. */
  MemorySegment use(KernelCalls calls) {
    for (int i = 0; i < tensors.length; i++) {
      if (tensors[i] != null) {
        descriptors[i].copyFrom(calls.use(tensors[i]));
      }
    }
    return struct;
  }

  /** The struct for a call that looks at shapes only. */
  MemorySegment shape() {
    for (int i = 0; i < tensors.length; i++) {
      if (tensors[i] != null) {
        descriptors[i].copyFrom(tensors[i].shapeDescriptor());
      }
    }
    return struct;
  }
}
