// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import io.github.lorikeet.core.DType;
import java.util.List;

/** Element types that files of weights use, and what each is read as. */
enum ElementType {
  F32("F32", "FloatStorage", 4, DType.F32),
  F16("F16", "HalfStorage", 2, DType.F16),
  BF16("BF16", "BFloat16Storage", 2, DType.BF16),
  I32("I32", "IntStorage", 4, DType.I32),
  U8("U8", "ByteStorage", 1, DType.U8),
  BOOL("BOOL", "BoolStorage", 1, DType.U8),
  /** Rounded to f32. */
  F64("F64", "DoubleStorage", 8, DType.F32),
  /** Narrowed to i32 where every value fits. */
  I64("I64", "LongStorage", 8, DType.I32),
  I16("I16", "ShortStorage", 2, null),
  I8("I8", "CharStorage", 1, null),
  U16("U16", null, 2, null),
  U32("U32", null, 4, null),
  U64("U64", null, 8, null),
  F8_E4M3("F8_E4M3", null, 1, null),
  F8_E5M2("F8_E5M2", null, 1, null),
  C64("C64", "ComplexFloatStorage", 8, null),
  C128(null, "ComplexDoubleStorage", 16, null),
  QINT8(null, "QInt8Storage", 1, null),
  QUINT8(null, "QUInt8Storage", 1, null),
  QINT32(null, "QInt32Storage", 4, null);

  private static final List<ElementType> ALL = List.of(values());

  /** Name in a safetensors header; null where that format lacks the type. */
  private final String safetensors;

  /** Class of PyTorch's storages, in Python module torch; null where PyTorch has none. */
  private final String torchStorage;

  private final int bytes;
  private final DType readAs;

  ElementType(String safetensors, String torchStorage, int bytes, DType readAs) {
    this.safetensors = safetensors;
    this.torchStorage = torchStorage;
    this.bytes = bytes;
    this.readAs = readAs;
  }

  /** Bytes of one element in the file. */
  int bytes() {
    return bytes;
  }

  /** The type of the tensor in memory; null: no weights come in this type, it is left out. */
  DType readAs() {
    return readAs;
  }

  /** Whether the file's own bytes serve as the tensor. */
  boolean mappable() {
    return readAs != null && this != F64 && this != I64;
  }

  /** Class of PyTorch's storages, in Python module torch; null where PyTorch has none. */
  String torchStorage() {
    return torchStorage;
  }

  /** The type whose elements are in memory as in the file. */
  static ElementType of(DType type) {
    return ALL.stream().filter(t -> t.readAs == type && t.mappable()).findFirst().orElseThrow();
  }

  static ElementType ofSafetensors(String name) {
    for (ElementType type : ALL) {
      if (name.equals(type.safetensors)) {
        return type;
      }
    }
    return null;
  }

  static ElementType ofTorchStorage(String name) {
    for (ElementType type : ALL) {
      if (name.equals(type.torchStorage)) {
        return type;
      }
    }
    return null;
  }
}
