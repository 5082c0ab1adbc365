// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * A tensor in host memory: contiguous, row-major, little-endian elements. The memory is a mapped
 * file or an allocation off the Java heap, never a Java array, so that native code may read it in
 * place; it need not be aligned. Whoever made {@code data}'s arena decides how long it lives.
 *
 * @param type element type
 * @param sizes positive or zero; empty for a scalar
 * @param data exactly the elements: {@code elements * type.bytes()} bytes
 */
public record HostTensor(DType type, long[] sizes, MemorySegment data) {
  /** Bytes; what {@code lk_allocate} gives, so that host copies may be computed on as well. */
  private static final long ALIGNMENT = 64;

  /**
   * Takes a copy of {@code sizes}; {@code data} is read and never written.
   *
   * @throws IllegalArgumentException if a size is negative, the product overflows, or {@code data}
   *     is a Java array or of another length
   */
  public HostTensor {
    sizes = sizes.clone();
    long bytes = bytes(type, sizes);
    if (!data.isNative()) {
      throw new IllegalArgumentException(
          shape(type, sizes) + " was given a Java array: give off-heap or mapped memory");
    }
    if (data.byteSize() != bytes) {
      throw new IllegalArgumentException(
          "%s needs %d bytes, was given %d".formatted(shape(type, sizes), bytes, data.byteSize()));
    }
  }

  /** The elements, read-only. */
  @Override
  public MemorySegment data() {
    return data.asReadOnly();
  }

  /** An f32 tensor holding a copy of {@code values}; its memory is freed by the collector. */
  public static HostTensor of(float[] values, long... sizes) {
    if (bytes(DType.F32, sizes) != (long) values.length * Float.BYTES) {
      throw new IllegalArgumentException(
          "%s was given %d values".formatted(shape(DType.F32, sizes), values.length));
    }
    MemorySegment data = allocate((long) values.length * Float.BYTES);
    MemorySegment.copy(values, 0, data, HostNumbers.F32, 0, values.length);
    return new HostTensor(DType.F32, sizes, data);
  }

  @Override
  public long[] sizes() {
    return sizes.clone();
  }

  public int rank() {
    return sizes.length;
  }

  public long size(int dimension) {
    return sizes[dimension];
  }

  public long elements() {
    return data.byteSize() / type.bytes();
  }

  public long bytes() {
    return data.byteSize();
  }

  /**
   * Says that the elements will hardly be read again soon: of a mapped file no memory is taken up
   * until then. Has no effect on other memory, nor on a file that was mapped to be written: changes
   * of a private mapping would be lost.
   */
  public void unload() {
    if (data.isMapped() && data.isReadOnly()) {
      data.unload();
    }
  }

  /** Type and sizes for messages, such as {@code f32 [2, 3]}. */
  public String shape() {
    return shape(type, sizes);
  }

  /**
   * The elements as floats: f16, bf16 and u8 exactly, i32 rounded to the nearest float.
   *
   * @throws IllegalStateException if there are more than a Java array holds
   */
  public float[] toFloats() {
    if (elements() > Integer.MAX_VALUE - 8) {
      throw new IllegalStateException(shape() + " is too large for a Java array");
    }
    float[] values = new float[(int) elements()];
    if (type == DType.F32) {
      MemorySegment.copy(data, HostNumbers.F32, 0, values, 0, values.length);
    } else {
      for (int i = 0; i < values.length; i++) {
        values[i] = HostNumbers.get(type, data, i);
      }
    }
    return values;
  }

  /** This tensor if it is f32 already, else a converted copy; see {@link #toFloats}. */
  public HostTensor f32() {
    return as(DType.F32);
  }

  /**
   * This tensor if it is f16 already, else a copy rounded to nearest, ties to even; beyond the
   * largest f16 becomes infinity, as IEEE 754 has it.
   */
  public HostTensor f16() {
    return as(DType.F16);
  }

  private HostTensor as(DType wanted) {
    if (type == wanted) {
      return this;
    }
    MemorySegment copy = allocate(Math.multiplyExact(elements(), wanted.bytes()));
    HostNumbers.convert(type, data, wanted, copy);
    return new HostTensor(wanted, sizes, copy);
  }

  @Override
  public String toString() {
    return shape();
  }

  private static MemorySegment allocate(long bytes) {
    return Arena.ofAuto().allocate(bytes, ALIGNMENT);
  }

  private static long bytes(DType type, long[] sizes) {
    boolean empty = false;
    for (long size : sizes) {
      if (size < 0) {
        throw new IllegalArgumentException(shape(type, sizes) + ": sizes may not be negative");
      }
      empty |= size == 0;
    }
    if (empty) {
      return 0; // even where the other sizes alone would overflow
    }
    long bytes = type.bytes();
    try {
      for (long size : sizes) {
        bytes = Math.multiplyExact(bytes, size);
      }
    } catch (ArithmeticException e) {
      throw new IllegalArgumentException(shape(type, sizes) + ": too many elements", e);
    }
    return bytes;
  }

  private static String shape(DType type, long[] sizes) {
    return type + " " + Arrays.toString(sizes);
  }
}
