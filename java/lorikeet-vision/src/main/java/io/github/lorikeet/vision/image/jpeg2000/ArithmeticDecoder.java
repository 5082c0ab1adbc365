// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image.jpeg2000;

/**
 * The MQ decoder (T.800, annex C): binary decisions, each in a context that learns how likely they
 * are. Reading past the end gives ones, as the standard has it.
 */
final class ArithmeticDecoder {
  /**
   * Table C.2, four numbers a state: probability, next if likely, next if not, whether to switch.
   */
  private static final int[] STATES = {
    0x5601, 1, 1, 1, 0x3401, 2, 6, 0, 0x1801, 3, 9, 0, 0x0AC1, 4, 12, 0, 0x0521, 5, 29, 0,
    0x0221, 38, 33, 0, 0x5601, 7, 6, 1, 0x5401, 8, 14, 0, 0x4801, 9, 14, 0, 0x3801, 10, 14, 0,
    0x3001, 11, 17, 0, 0x2401, 12, 18, 0, 0x1C01, 13, 20, 0, 0x1601, 29, 21, 0, 0x5601, 15, 14, 1,
    0x5401, 16, 14, 0, 0x5101, 17, 15, 0, 0x4801, 18, 16, 0, 0x3801, 19, 17, 0, 0x3401, 20, 18, 0,
    0x3001, 21, 19, 0, 0x2801, 22, 19, 0, 0x2401, 23, 20, 0, 0x2201, 24, 21, 0, 0x1C01, 25, 22, 0,
    0x1801, 26, 23, 0, 0x1601, 27, 24, 0, 0x1401, 28, 25, 0, 0x1201, 29, 26, 0, 0x1101, 30, 27, 0,
    0x0AC1, 31, 28, 0, 0x09C1, 32, 29, 0, 0x08A1, 33, 30, 0, 0x0521, 34, 31, 0, 0x0441, 35, 32, 0,
    0x02A1, 36, 33, 0, 0x0221, 37, 34, 0, 0x0141, 38, 35, 0, 0x0111, 39, 36, 0, 0x0085, 40, 37, 0,
    0x0049, 41, 38, 0, 0x0025, 42, 39, 0, 0x0015, 43, 40, 0, 0x0009, 44, 41, 0, 0x0005, 45, 42, 0,
    0x0001, 45, 43, 0, 0x5601, 46, 46, 0
  };

  private final int[] state;
  private final int[] likely;
  private byte[] data;
  private int position;
  private int end;
  private int interval;
  private int code;
  private int shifts;

  ArithmeticDecoder(int contexts) {
    state = new int[contexts];
    likely = new int[contexts];
  }

  /** Forgets what a context has learnt. */
  void reset(int context, int initialState) {
    state[context] = initialState;
    likely[context] = 0;
  }

  /** Begins with the first {@code length} bytes of an array (C.3.5). */
  void start(byte[] bytes, int length) {
    data = bytes;
    end = length;
    position = 0;
    code = at(0) << 16;
    readByte();
    code <<= 7;
    shifts -= 7;
    interval = 0x8000;
  }

  /** The next decision in a context (C.3.2). */
  int decide(int context) {
    int at = 4 * state[context];
    int probability = STATES[at];
    int decision = likely[context];
    interval -= probability;
    if (code >>> 16 < probability) {
      // The less likely part of the interval, unless it is the larger one.
      boolean exchanged = interval < probability;
      interval = probability;
      return learn(context, at, exchanged ? decision : 1 - decision);
    }
    code -= probability << 16;
    if ((interval & 0x8000) != 0) {
      return decision;
    }
    return learn(context, at, interval < probability ? 1 - decision : decision);
  }

  private int learn(int context, int at, int decision) {
    if (decision == likely[context]) {
      state[context] = STATES[at + 1];
    } else {
      likely[context] ^= STATES[at + 3];
      state[context] = STATES[at + 2];
    }
    do {
      if (shifts == 0) {
        readByte();
      }
      interval <<= 1;
      code <<= 1;
      shifts--;
    } while ((interval & 0x8000) == 0);
    return decision;
  }

  /** The byte after FF has seven bits; a larger one there is a marker and ends the data (C.3.4). */
  private void readByte() {
    if (at(position) == 0xFF) {
      if (at(position + 1) > 0x8F) {
        code += 0xFF00;
        shifts = 8;
      } else {
        position++;
        code += at(position) << 9;
        shifts = 7;
      }
    } else {
      position++;
      code += at(position) << 8;
      shifts = 8;
    }
  }

  private int at(int i) {
    return i < end ? data[i] & 0xFF : 0xFF;
  }
}
