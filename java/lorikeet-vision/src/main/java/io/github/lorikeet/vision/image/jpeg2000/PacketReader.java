// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image.jpeg2000;

import io.github.lorikeet.vision.image.jpeg2000.CodeBlock.Segment;
import io.github.lorikeet.vision.image.jpeg2000.Tile.Blocks;
import io.github.lorikeet.vision.image.jpeg2000.Tile.Precinct;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Reads a tile's packets: which blocks get how many passes, and where their bytes lie (B.9-10). */
final class PacketReader {
  private static final int SOP = 0x91;
  private static final int SOP_BYTES = 6;
  private static final int EPH = 0x92;
  private static final int MAX_LENGTH_BITS = 30;

  /** Looking for a block in a packet's header takes the time of so many coefficients in a pass. */
  private static final long BLOCK_WORK = 8;

  /** Bytes that the packet at hand has for a segment. */
  private record Body(Segment segment, int length) {}

  private final CodingStyle coding;
  private final byte[] data;
  private long workLeft;
  private int position;
  private int current;
  private int bitsLeft;

  PacketReader(CodingStyle coding, byte[] data) {
    this.coding = coding;
    this.data = data;
  }

  /**
   * Gives every block of the tile its passes.
   *
   * @param most work to do; a header's single bit may tell of all blocks
   * @return the work done, a unit a coefficient in a pass
   */
  long read(Tile tile, long most) throws IOException {
    workLeft = most;
    List<Precinct> precincts = tile.precincts();
    switch (coding.progression()) {
      case 0 -> layersFirst(precincts);
      case 1 -> {
        for (int level = 0; level <= coding.levels(); level++) {
          int wanted = level;
          layersFirst(precincts.stream().filter(p -> p.resolution.level == wanted).toList());
        }
      }
      // Within a resolution, precincts lie in the order of their places.
      case 2 -> layersLast(precincts);
      default -> layersLast(precincts.stream().sorted(Tile.byPlace()).toList());
    }
    return most - workLeft;
  }

  private void layersFirst(List<Precinct> precincts) throws IOException {
    for (int layer = 0; layer < coding.layers(); layer++) {
      for (Precinct precinct : precincts) {
        packet(precinct, layer);
      }
    }
  }

  private void layersLast(List<Precinct> precincts) throws IOException {
    for (Precinct precinct : precincts) {
      for (int layer = 0; layer < coding.layers(); layer++) {
        packet(precinct, layer);
      }
    }
  }

  private void packet(Precinct precinct, int layer) throws IOException {
    // Neither a header nor a body can have these two bytes in a row.
    if (isMarker(SOP)) {
      position += SOP_BYTES;
    }
    bitsLeft = 0;
    current = 0;
    List<Body> bodies = new ArrayList<>();
    if (bit() == 1) {
      for (Blocks blocks : precinct.blocks) {
        workLeft -= BLOCK_WORK * blocks.coded.length;
        if (workLeft < 0) {
          throw damaged("more blocks in layers than its bytes can hold");
        }
        for (int i = 0; i < blocks.coded.length; i++) {
          block(blocks, i, layer, bodies);
        }
      }
    }
    if (current == 0xFF) {
      // The bit that is stuffed after such a byte takes one of its own.
      position++;
    }
    if (isMarker(EPH)) {
      position += 2;
    }
    for (Body body : bodies) {
      if (body.length > data.length - position) {
        throw truncated();
      }
      body.segment.addPiece(position, body.length);
      position += body.length;
    }
  }

  private void block(Blocks blocks, int index, int layer, List<Body> bodies) throws IOException {
    int x = index % blocks.across;
    int y = index / blocks.across;
    CodeBlock block = blocks.coded[index];
    boolean included = block == null ? blocks.inclusion.isBelow(x, y, layer + 1, this) : bit() == 1;
    if (!included) {
      return;
    }
    if (block == null) {
      int zeros = 0;
      while (!blocks.zeroPlanes.isBelow(x, y, zeros + 1, this)) {
        zeros++;
        if (zeros >= blocks.band.planes) {
          throw damaged("a block without bit planes");
        }
      }
      block = new CodeBlock(blocks.band.planes - zeros);
      blocks.coded[index] = block;
    }
    int passes = passes();
    if (!block.hasRoomFor(passes)) {
      throw damaged("more coding passes than bit planes have");
    }
    while (bit() == 1) {
      block.lengthenLengths();
    }
    while (passes > 0) {
      int taken = block.takePasses(passes, coding);
      passes -= taken;
      int bits = block.lengthBits() + 31 - Integer.numberOfLeadingZeros(taken);
      if (bits > MAX_LENGTH_BITS) {
        throw damaged("a length of " + bits + " bits");
      }
      bodies.add(new Body(block.segments().getLast(), bits(bits)));
    }
  }

  /** The number of new coding passes (table B.4). */
  private int passes() throws IOException {
    if (bit() == 0) {
      return 1;
    }
    if (bit() == 0) {
      return 2;
    }
    int more = bits(2);
    if (more < 3) {
      return 3 + more;
    }
    more = bits(5);
    return more < 31 ? 6 + more : 37 + bits(7);
  }

  private int bits(int count) throws IOException {
    int bits = 0;
    for (int i = 0; i < count; i++) {
      bits = bits << 1 | bit();
    }
    return bits;
  }

  /** The next bit of a packet's header; a byte after FF has seven. */
  int bit() throws IOException {
    if (bitsLeft == 0) {
      if (position >= data.length) {
        throw truncated();
      }
      bitsLeft = current == 0xFF ? 7 : 8;
      current = data[position++] & 0xFF;
    }
    bitsLeft--;
    return current >> bitsLeft & 1;
  }

  private boolean isMarker(int code) {
    return data.length - position >= 2
        && data[position] == (byte) 0xFF
        && data[position + 1] == (byte) code;
  }

  private static IOException damaged(String what) {
    return new IOException("damaged JPEG 2000: " + what);
  }

  private IOException truncated() {
    return new IOException(
        "truncated JPEG 2000: a tile's packets need more than its " + data.length + " bytes");
  }
}
