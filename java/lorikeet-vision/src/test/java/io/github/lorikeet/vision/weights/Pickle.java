// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Puts pickles together, an instruction a method, as Python's pickletools name them. */
final class Pickle {
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

  /** {@code PROTO n}. */
  static Pickle protocol(int version) {
    return new Pickle().op(0x80).op(version);
  }

  Pickle op(int... opcodes) {
    for (int opcode : opcodes) {
      bytes.write(opcode);
    }
    return this;
  }

  /** Instructions of one printable letter each. */
  Pickle op(String opcodes) {
    opcodes.chars().forEach(bytes::write);
    return this;
  }

  private Pickle little(long value, int count) {
    for (int i = 0; i < count; i++) {
      bytes.write((int) (value >> 8 * i));
    }
    return this;
  }

  /** {@code BINUNICODE}. */
  Pickle text(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    op('X').little(utf8.length, 4).bytes.writeBytes(utf8);
    return this;
  }

  /** {@code BININT1}, {@code BININT} or {@code LONG1}. */
  Pickle integer(long value) {
    if (value >= 0 && value < 256) {
      return op('K').little(value, 1);
    }
    return value == (int) value ? op('J').little(value, 4) : op(0x8a, 8).little(value, 8);
  }

  /** {@code BINFLOAT}. */
  Pickle number(double value) {
    op('G')
        .bytes
        .writeBytes(ByteBuffer.allocate(8).order(ByteOrder.BIG_ENDIAN).putDouble(value).array());
    return this;
  }

  /** {@code GLOBAL}. */
  Pickle global(String module, String name) {
    op('c').bytes.writeBytes((module + "\n" + name + "\n").getBytes(StandardCharsets.UTF_8));
    return this;
  }

  /** A tuple of integers. */
  Pickle integers(long... values) {
    op('(');
    for (long value : values) {
      integer(value);
    }
    return op('t');
  }

  /** {@code LONG_BINPUT}. */
  Pickle put(long index) {
    return op('r').little(index, 4);
  }

  /** {@code LONG_BINGET}. */
  Pickle get(long index) {
    return op('j').little(index, 4);
  }

  /** A tensor as torch.save describes it: storage type such as FloatStorage, key data/KEY. */
  Pickle tensor(
      String storage, String key, long elements, long offset, long[] sizes, long[] strides) {
    global("torch._utils", "_rebuild_tensor_v2").op('(');
    op('(').text("storage").global("torch", storage).text(key).text("cpu").integer(elements);
    op("tQ").integer(offset).integers(sizes).integers(strides).op(0x89);
    return global("collections", "OrderedDict").op(")RtR");
  }

  /** {@code STOP}. */
  byte[] stop() {
    op('.');
    return bytes.toByteArray();
  }
}
