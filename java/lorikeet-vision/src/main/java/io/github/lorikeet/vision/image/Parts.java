// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.stream.ImageInputStreamImpl;

/** A stream over pieces of a file that is in memory, one after the other, without copying them. */
final class Parts extends ImageInputStreamImpl {
  private final List<ByteBuffer> parts = new ArrayList<>();

  /** The part that holds the stream's position, and the position of its first byte. */
  private int current;

  private long currentStart;

  /** Appends a piece; one that follows the last piece in the same array lengthens it. */
  void add(byte[] bytes, int offset, int length) {
    ByteBuffer last = parts.isEmpty() ? null : parts.getLast();
    if (last != null && last.array() == bytes && last.limit() == offset) {
      last.limit(offset + length);
    } else {
      parts.add(ByteBuffer.wrap(bytes, offset, length));
    }
  }

  /** Does nothing: all of it stays in memory, and a reader may begin anew after another. */
  @Override
  public void flushBefore(long position) {}

  @Override
  public int read() {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
  }

  @Override
  public int read(byte[] target, int offset, int length) {
    if (length == 0) {
      return 0;
    }
    bitOffset = 0;
    if (streamPos < currentStart) {
      current = 0;
      currentStart = 0;
    }
    while (current < parts.size() && streamPos - currentStart >= parts.get(current).remaining()) {
      currentStart += parts.get(current++).remaining();
    }
    if (current == parts.size()) {
      return -1;
    }
    ByteBuffer part = parts.get(current);
    int skipped = (int) (streamPos - currentStart);
    int count = Math.min(length, part.remaining() - skipped);
    part.get(part.position() + skipped, target, offset, count);
    streamPos += count;
    return count;
  }
}
