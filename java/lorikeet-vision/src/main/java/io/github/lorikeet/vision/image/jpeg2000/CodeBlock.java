// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image.jpeg2000;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The coding passes of one block, as far as packets brought them. */
final class CodeBlock {
  /** Passes of a bit plane. */
  private static final int PLANE_PASSES = 3;

  /** With the bypass, passes before the first that is not arithmetically coded. */
  private static final int CODED_PASSES = 10;

  /** Passes that are coded together; their bytes lie in pieces of the tile's data. */
  static final class Segment {
    private final int maxPasses;
    private int passes;
    private int bytes;
    private int[] pieces = new int[2];
    private int pieceCount;

    private Segment(int maxPasses) {
      this.maxPasses = maxPasses;
    }

    int passes() {
      return passes;
    }

    int bytes() {
      return bytes;
    }

    void addPiece(int offset, int length) {
      if (2 * pieceCount == pieces.length) {
        pieces = Arrays.copyOf(pieces, 2 * pieces.length);
      }
      pieces[2 * pieceCount] = offset;
      pieces[2 * pieceCount++ + 1] = length;
      bytes += length;
    }

    /** Copies its bytes to the start of an array. */
    void copy(byte[] data, byte[] target) {
      int at = 0;
      for (int piece = 0; piece < pieceCount; piece++) {
        System.arraycopy(data, pieces[2 * piece], target, at, pieces[2 * piece + 1]);
        at += pieces[2 * piece + 1];
      }
    }
  }

  private final int planes;
  private final List<Segment> segments = new ArrayList<>();
  private int passes;
  private int lengthBits = 3;

  /**
   * @param planes bit planes from the highest that is not zero all over
   */
  CodeBlock(int planes) {
    this.planes = planes;
  }

  int planes() {
    return planes;
  }

  int passes() {
    return passes;
  }

  List<Segment> segments() {
    return segments;
  }

  /** Bits that lengths are written in, besides those for the number of passes. */
  int lengthBits() {
    return lengthBits;
  }

  void lengthenLengths() {
    lengthBits++;
  }

  /** Whether there may be so many passes more: the highest plane has one, the others three. */
  boolean hasRoomFor(int more) {
    return passes + more <= PLANE_PASSES * planes - 2;
  }

  /**
   * The segment that the next passes belong to, with as many of them as it takes.
   *
   * @param more passes that are left to be dealt out
   * @return how many the segment took: the last of {@link #segments}
   */
  int takePasses(int more, CodingStyle coding) {
    if (segments.isEmpty() || segments.getLast().passes == segments.getLast().maxPasses) {
      segments.add(new Segment(maxPasses(coding)));
    }
    Segment segment = segments.getLast();
    int taken = Math.min(more, segment.maxPasses - segment.passes);
    segment.passes += taken;
    passes += taken;
    return taken;
  }

  /** Where coding ends and begins anew (T.800, D.6, tables D.8 and D.9). */
  private int maxPasses(CodingStyle coding) {
    if (coding.has(CodingStyle.TERMINATE_ALL)) {
      return 1;
    }
    if (!coding.has(CodingStyle.BYPASS)) {
      return Integer.MAX_VALUE;
    }
    if (segments.isEmpty()) {
      return CODED_PASSES;
    }
    // Two passes as they are, one that is coded, and so on.
    return segments.size() % 2 == 1 ? 2 : 1;
  }
}
