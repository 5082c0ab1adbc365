// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.Random;

/** Seeded ways to damage a file. */
public final class Mutations {
  private static final long[] FORGED = {
    0,
    1,
    -1,
    0x7fff,
    0xffff,
    0x10000,
    Integer.MAX_VALUE,
    Integer.MIN_VALUE,
    0xffffffffL,
    0x100000000L,
    1L << 40,
    Long.MAX_VALUE,
    Long.MIN_VALUE,
    Long.MAX_VALUE / 4 + 1
  };

  private Mutations() {}

  /** One to three changes of random kinds, anywhere from {@code begin} on. */
  public static byte[] mutate(byte[] original, int begin, Random random) {
    byte[] bytes = original.clone();
    for (int n = random.nextInt(3); n >= 0; n--) {
      bytes = mutateOnce(bytes, Math.min(begin, bytes.length), random);
    }
    return bytes;
  }

  private static byte[] mutateOnce(byte[] bytes, int begin, Random random) {
    if (begin >= bytes.length) {
      return bytes;
    }
    int at = random.nextInt(begin, bytes.length);
    switch (random.nextInt(6)) {
      case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
      case 1 -> bytes[at] = (byte) random.nextInt(256);
      case 2 -> forge(bytes, at, random);
      case 3 -> {
        return Arrays.copyOf(bytes, at);
      }
      case 4 -> { // says something twice: an instruction, a key, an entry
        int end = Math.min(at + 1 + random.nextInt(200), bytes.length);
        return splice(bytes, at, Arrays.copyOfRange(bytes, at, end), 0);
      }
      default -> { // leaves something out, or puts something else there
        byte[] other = Arrays.copyOfRange(bytes, random.nextInt(bytes.length), bytes.length);
        return splice(
            bytes,
            at,
            Arrays.copyOf(other, Math.min(random.nextInt(16), other.length)),
            random.nextInt(16));
      }
    }
    return bytes;
  }

  private static void forge(byte[] bytes, int at, Random random) {
    long value = FORGED[random.nextInt(FORGED.length)];
    int width = 1 << random.nextInt(1, 4);
    for (int i = 0; i < width && at + i < bytes.length; i++) {
      bytes[at + i] = (byte) (value >> 8 * i);
    }
  }

  private static byte[] splice(byte[] bytes, int at, byte[] inserted, int skipped) {
    ByteArrayOutputStream result = new ByteArrayOutputStream();
    result.write(bytes, 0, at);
    result.writeBytes(inserted);
    int rest = Math.min(at + skipped, bytes.length);
    result.write(bytes, rest, bytes.length - rest);
    return result.toByteArray();
  }

  /** One to four instructions or operands of a pickle exchanged for others. */
  static byte[] swapOpcodes(byte[] pickle, Random random) {
    String opcodes =
        "()]}.012NKMJGXUTCBtlaedsuqhrjcQRb\u0080\u0081\u0085\u0086\u0087\u0088\u0089"
            + "\u008a\u008b\u008c\u008d\u008e\u008f\u0090\u0091\u0092\u0093\u0094\u0095\u0096";
    byte[] bytes = pickle.clone();
    for (int n = random.nextInt(4); n >= 0; n--) {
      bytes[random.nextInt(bytes.length)] = (byte) opcodes.charAt(random.nextInt(opcodes.length()));
    }
    return bytes;
  }
}
