// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image.jpeg2000;

import io.github.lorikeet.vision.image.jpeg2000.CodeBlock.Segment;
import java.util.Arrays;

/**
 * Decodes a block's coefficients bit plane by bit plane (T.800, annex D): in each plane one pass
 * over those that have significant neighbours, one over those that are significant already, and one
 * over the rest. For one block at a time.
 */
final class BlockDecoder {
  /** A block has at most 4096 coefficients and 1024 a row; with a frame of one around them. */
  private static final int MAX_FRAMED = 1026 * 6;

  private static final int STRIPE = 4;

  // What is known of a coefficient.
  private static final int SIGNIFICANT = 1;
  private static final int NEGATIVE = 2;
  private static final int VISITED = 4;
  private static final int REFINED = 8;

  // Contexts (table D.7); those before SIGN are of significance.
  private static final int SIGN = 9;
  private static final int MAGNITUDE = 14;
  private static final int RUN = 17;
  private static final int UNIFORM = 18;
  private static final int CONTEXTS = 19;

  private final CodingStyle coding;
  private final boolean causal;
  private final ArithmeticDecoder coder = new ArithmeticDecoder(CONTEXTS);
  private final byte[] flags = new byte[MAX_FRAMED];

  /** Twice the coefficients' magnitudes, so that there is room for a half. */
  private final int[] magnitudes = new int[MAX_FRAMED];

  private byte[] bytes = new byte[1 << 12];
  private int orientation;
  private int width;
  private int height;
  private int stride;

  // Bits that bypass the arithmetic coder.
  private boolean raw;
  private int position;
  private int end;
  private int current;
  private int bitsLeft;

  BlockDecoder(CodingStyle coding) {
    this.coding = coding;
    causal = coding.has(CodingStyle.CAUSAL);
  }

  /**
   * @param orientation of its band
   * @param data that its pieces lie in
   */
  void decode(CodeBlock block, int orientation, int width, int height, byte[] data) {
    this.orientation = orientation;
    this.width = width;
    this.height = height;
    stride = width + 2;
    Arrays.fill(flags, 0, stride * (height + 2), (byte) 0);
    Arrays.fill(magnitudes, 0, stride * (height + 2), 0);
    resetContexts();
    int plane = block.planes() - 1;
    int kind = 2;
    for (Segment segment : block.segments()) {
      boolean bypassed = coding.has(CodingStyle.BYPASS) && kind < 2 && plane < block.planes() - 4;
      start(segment, data, bypassed);
      for (int pass = 0; pass < segment.passes(); pass++) {
        pass(kind, plane);
        if (coding.has(CodingStyle.RESET_CONTEXTS)) {
          resetContexts();
        }
        kind++;
        if (kind > 2) {
          kind = 0;
          plane--;
        }
      }
    }
  }

  /** A coefficient of the block decoded last; halves only where the transform takes them. */
  float value(int x, int y) {
    int at = at(x, y);
    float magnitude = coding.reversible() ? magnitudes[at] >> 1 : magnitudes[at] * 0.5f;
    return (flags[at] & NEGATIVE) != 0 ? -magnitude : magnitude;
  }

  private int at(int x, int y) {
    return (y + 1) * stride + x + 1;
  }

  private void resetContexts() {
    for (int context = 0; context < CONTEXTS; context++) {
      coder.reset(context, 0);
    }
    coder.reset(0, 4);
    coder.reset(RUN, 3);
    coder.reset(UNIFORM, 46);
  }

  private void start(Segment segment, byte[] data, boolean bypassed) {
    if (bytes.length < segment.bytes()) {
      bytes = new byte[segment.bytes()];
    }
    segment.copy(data, bytes);
    raw = bypassed;
    if (bypassed) {
      position = 0;
      end = segment.bytes();
      current = 0;
      bitsLeft = 0;
    } else {
      coder.start(bytes, segment.bytes());
    }
  }

  private void pass(int kind, int plane) {
    for (int top = 0; top < height; top += STRIPE) {
      int bottom = Math.min(top + STRIPE, height);
      for (int x = 0; x < width; x++) {
        switch (kind) {
          case 0 -> propagate(x, top, bottom, plane);
          case 1 -> refine(x, top, bottom, plane);
          default -> cleanUp(x, top, bottom, plane);
        }
      }
    }
    if (kind == 2 && coding.has(CodingStyle.SEGMENT_SYMBOLS)) {
      for (int i = 0; i < 4; i++) {
        coder.decide(UNIFORM);
      }
    }
  }

  private void propagate(int x, int top, int bottom, int plane) {
    for (int y = top; y < bottom; y++) {
      int at = at(x, y);
      if ((flags[at] & SIGNIFICANT) != 0) {
        continue;
      }
      int context = significance(at, y);
      if (context != 0) {
        if (decide(context) == 1) {
          becomeSignificant(at, y, plane);
        }
        flags[at] |= VISITED;
      }
    }
  }

  private void refine(int x, int top, int bottom, int plane) {
    for (int y = top; y < bottom; y++) {
      int at = at(x, y);
      if ((flags[at] & (SIGNIFICANT | VISITED)) != SIGNIFICANT) {
        continue;
      }
      int context = MAGNITUDE + 2;
      if ((flags[at] & REFINED) == 0) {
        context = significance(at, y) == 0 ? MAGNITUDE : MAGNITUDE + 1;
      }
      // The half that stood for all lower planes moves down by one.
      int half = 1 << plane;
      magnitudes[at] += decide(context) == 1 ? half : -half;
      flags[at] |= REFINED;
    }
  }

  private void cleanUp(int x, int top, int bottom, int plane) {
    int y = top;
    if (isRun(x, top, bottom)) {
      if (coder.decide(RUN) == 0) {
        return;
      }
      y += coder.decide(UNIFORM) << 1 | coder.decide(UNIFORM);
      becomeSignificant(at(x, y), y, plane);
      y++;
    }
    for (; y < bottom; y++) {
      int at = at(x, y);
      if ((flags[at] & (SIGNIFICANT | VISITED)) == 0 && coder.decide(significance(at, y)) == 1) {
        becomeSignificant(at, y, plane);
      }
    }
    for (y = top; y < bottom; y++) {
      flags[at(x, y)] &= ~VISITED;
    }
  }

  /** Whether a whole column of a stripe is insignificant, and all around it. */
  private boolean isRun(int x, int top, int bottom) {
    if (bottom - top < STRIPE) {
      return false;
    }
    for (int y = top; y < bottom; y++) {
      int at = at(x, y);
      if ((flags[at] & (SIGNIFICANT | VISITED)) != 0 || significance(at, y) != 0) {
        return false;
      }
    }
    return true;
  }

  private void becomeSignificant(int at, int y, int plane) {
    flags[at] |= SIGNIFICANT;
    if (sign(at, y) == 1) {
      flags[at] |= NEGATIVE;
    }
    magnitudes[at] = 3 << plane;
  }

  /** The context of a coefficient's significance: its neighbours' (table D.1). */
  private int significance(int at, int y) {
    int horizontal = significant(at - 1) + significant(at + 1);
    int vertical = significant(at - stride);
    int diagonal = significant(at - stride - 1) + significant(at - stride + 1);
    if (seesBelow(y)) {
      vertical += significant(at + stride);
      diagonal += significant(at + stride - 1) + significant(at + stride + 1);
    }
    if (orientation == 3) {
      int straight = horizontal + vertical;
      return switch (diagonal) {
        case 0 -> Math.min(straight, 2);
        case 1 -> 3 + Math.min(straight, 2);
        case 2 -> straight == 0 ? 6 : 7;
        default -> 8;
      };
    }
    int along = orientation == 1 ? vertical : horizontal;
    int across = orientation == 1 ? horizontal : vertical;
    return switch (along) {
      case 0 -> across > 0 ? 2 + across : Math.min(diagonal, 2);
      case 1 -> across > 0 ? 7 : diagonal > 0 ? 6 : 5;
      default -> 8;
    };
  }

  /** The sign, coded by how far it is what its neighbours' make likely (tables D.2 and D.3). */
  private int sign(int at, int y) {
    if (raw) {
      return rawBit();
    }
    int horizontal = Math.clamp(signOf(at - 1) + signOf(at + 1), -1, 1);
    int below = seesBelow(y) ? signOf(at + stride) : 0;
    int vertical = Math.clamp(signOf(at - stride) + below, -1, 1);
    int likely = horizontal < 0 || (horizontal == 0 && vertical < 0) ? 1 : 0;
    int context = horizontal == 0 ? Math.abs(vertical) : 3 + (likely == 1 ? -vertical : vertical);
    return coder.decide(SIGN + context) ^ likely;
  }

  /** Blocks may be coded without a look at the next stripe, which is under the last row. */
  private boolean seesBelow(int y) {
    return !causal || y % STRIPE != STRIPE - 1;
  }

  private int significant(int at) {
    return flags[at] & SIGNIFICANT;
  }

  private int signOf(int at) {
    return (flags[at] & SIGNIFICANT) == 0 ? 0 : (flags[at] & NEGATIVE) == 0 ? 1 : -1;
  }

  private int decide(int context) {
    return raw ? rawBit() : coder.decide(context);
  }

  /** The next bit as it is (D.6); a byte after FF has seven, and past the end there are ones. */
  private int rawBit() {
    if (bitsLeft == 0) {
      bitsLeft = current == 0xFF ? 7 : 8;
      current = position < end ? bytes[position++] & 0xFF : 0xFF;
    }
    bitsLeft--;
    return current >> bitsLeft & 1;
  }
}
