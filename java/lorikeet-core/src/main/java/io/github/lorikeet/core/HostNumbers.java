// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Numbers of any dtype in host memory, which need not be aligned. To 16 bits they are rounded as
 * the kernels do it: to nearest, ties to even, beyond the largest number to infinity; a NaN stays
 * one.
 */
final class HostNumbers {
  static final ValueLayout.OfFloat F32 =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt I32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort I16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private HostNumbers() {}

  /** Element {@code index}: exact but for i32, which is rounded to the nearest float. */
  static float get(DType type, MemorySegment memory, long index) {
    return switch (type) {
      case F32 -> memory.get(F32, index * Float.BYTES);
      case BF16 -> Float.intBitsToFloat(memory.get(I16, index * Short.BYTES) << 16);
      case F16 -> Float.float16ToFloat(memory.get(I16, index * Short.BYTES));
      case I32 -> memory.get(I32, index * Integer.BYTES);
      case U8 -> Byte.toUnsignedInt(memory.get(ValueLayout.JAVA_BYTE, index));
    };
  }

  /**
   * Converts all elements of {@code source} into the first ones of {@code destination}.
   *
   * @param to f32, bf16 or f16
   */
  static void convert(DType from, MemorySegment source, DType to, MemorySegment destination) {
    long elements = source.byteSize() / from.bytes();
    switch (to) {
      case F32 -> {
        for (long i = 0; i < elements; i++) {
          destination.set(F32, i * Float.BYTES, get(from, source, i));
        }
      }
      case BF16 -> {
        for (long i = 0; i < elements; i++) {
          destination.set(I16, i * Short.BYTES, toBf16(get(from, source, i)));
        }
      }
      case F16 -> {
        for (long i = 0; i < elements; i++) {
          destination.set(I16, i * Short.BYTES, Float.floatToFloat16(get(from, source, i)));
        }
      }
      default -> throw new IllegalArgumentException("to " + to + ", expected f32, bf16 or f16");
    }
  }

  /** The upper half of an f32, rounded. */
  private static short toBf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    return Float.isNaN(value)
        ? (short) (bits >> 16 | 0x40)
        : (short) (bits + 0x7FFF + (bits >> 16 & 1) >> 16);
  }
}
