// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.HostTensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * A tensor as a file describes it, its bounds checked.
 *
 * @param type of the elements in the file
 * @param sizes not negative
 * @param strides in elements, not negative
 * @param data starts at the first element and holds every element that sizes and strides reach
 */
record StoredTensor(ElementType type, long[] sizes, long[] strides, MemorySegment data) {
  static final int MAX_RANK = 16;

  /** Row-major strides. */
  static long[] contiguous(long[] sizes) {
    long[] strides = new long[sizes.length];
    long stride = 1;
    for (int d = sizes.length - 1; d >= 0; d--) {
      strides[d] = stride;
      stride *= Math.max(sizes[d], 1);
    }
    return strides;
  }

  /**
   * The number of elements.
   *
   * @throws ArithmeticException if it is no long
   */
  static long elements(long[] sizes) {
    for (long size : sizes) {
      if (size == 0) {
        return 0;
      }
    }
    long elements = 1;
    for (long size : sizes) {
      elements = Math.multiplyExact(elements, size);
    }
    return elements;
  }

  /**
   * The tensor in memory: the file's own bytes where they serve, else a contiguous copy.
   *
   * @return null if a 64-bit integer does not fit 32 bits
   */
  HostTensor read(MappedFile file, String name) {
    long elements;
    long copyBytes;
    try {
      elements = elements(sizes);
      copyBytes = Math.multiplyExact(elements, type.readAs().bytes());
    } catch (ArithmeticException e) {
      throw file.error(
          WeightsException.quote(name) + " has too many elements: sizes " + Arrays.toString(sizes));
    }
    boolean contiguous = elements <= 1 || isContiguous();
    if (contiguous && type.mappable()) {
      return new HostTensor(type.readAs(), sizes, data.asSlice(0, copyBytes));
    }
    MemorySegment copy = file.allocate(copyBytes, name);
    return copyTo(copy, elements, contiguous) ? new HostTensor(type.readAs(), sizes, copy) : null;
  }

  private boolean isContiguous() {
    long[] expected = contiguous(sizes);
    for (int d = 0; d < sizes.length; d++) {
      if (sizes[d] != 1 && strides[d] != expected[d]) {
        return false;
      }
    }
    return true;
  }

  private boolean copyTo(MemorySegment copy, long elements, boolean contiguous) {
    long[] index = new long[sizes.length];
    long position = 0;
    for (long i = 0; i < elements; i++) {
      if (!copyElement(copy, i, contiguous ? i : position)) {
        return false;
      }
      for (int d = sizes.length - 1; d >= 0; d--) {
        position += strides[d];
        if (++index[d] < sizes[d]) {
          break;
        }
        position -= sizes[d] * strides[d];
        index[d] = 0;
      }
    }
    return true;
  }

  private boolean copyElement(MemorySegment copy, long to, long from) {
    switch (type) {
      case F64 ->
          copy.set(
              MappedFile.F32,
              to * DType.F32.bytes(),
              (float) data.get(MappedFile.F64, from * Double.BYTES));
      case I64 -> {
        long value = data.get(MappedFile.I64, from * Long.BYTES);
        if (value != (int) value) {
          return false;
        }
        copy.set(MappedFile.U32, to * DType.I32.bytes(), (int) value);
      }
      default ->
          MemorySegment.copy(data, from * type.bytes(), copy, to * type.bytes(), type.bytes());
    }
    return true;
  }
}
