// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image.jpeg2000;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Arrays;

/**
 * A grey codestream (T.800, annex A) whose headers were read, and whose samples can be. What its
 * headers claim is held against the bytes it has before memory is taken for it.
 */
public final class Codestream {
  private static final int SOC = 0xFF4F;
  private static final int SIZ = 0xFF51;
  private static final int COD = 0xFF52;
  private static final int TLM = 0xFF55;
  private static final int PLM = 0xFF57;
  private static final int PLT = 0xFF58;
  private static final int QCD = 0xFF5C;
  private static final int CRG = 0xFF63;
  private static final int COM = 0xFF64;
  private static final int SOT = 0xFF90;
  private static final int SOD = 0xFF93;
  private static final int EOC = 0xFFD9;

  private static final int SIZ_BYTES = 39;
  private static final int SOT_BYTES = 10;
  private static final int MAX_BITS = 16;
  private static final int MAX_TILES = 4096;

  /** Pixels that every codestream may have, and those that each of its bytes may stand for. */
  private static final int FREE_PIXELS = 6_000_000;

  private static final int MAX_PIXELS = 1 << 26;

  /** The same of coding passes, each counted once a coefficient: they bound the time. */
  private static final long FREE_WORK = 40_000_000;

  private static final long WORK_A_BYTE = 400;

  private static final int PIXELS_A_BYTE = 32;

  private final byte[] bytes;
  private int position;
  private CodingStyle coding;
  private byte[] cod;
  private byte[] qcd;

  // The image and its tiles on the reference grid.
  private int x0;
  private int y0;
  private int x1;
  private int y1;
  private int tileX0;
  private int tileY0;
  private int tileWidth;
  private int tileHeight;
  private int tilesAcross;
  private int bits;
  private boolean signed;

  private ByteArrayOutputStream[] tiles;
  private long work;

  private Codestream(byte[] bytes) {
    this.bytes = bytes;
  }

  /**
   * Reads the headers.
   *
   * @throws IOException saying what is wrong or not supported
   */
  public static Codestream read(byte[] bytes) throws IOException {
    Codestream codestream = new Codestream(bytes);
    codestream.readHeaders();
    return codestream;
  }

  public int width() {
    return x1 - x0;
  }

  public int height() {
    return y1 - y0;
  }

  /**
   * Decodes the samples, row after row.
   *
   * @return 16 bits each; negative ones as two's complements
   * @throws IOException saying what is wrong
   */
  public char[] decode() throws IOException {
    char[] samples = new char[width() * height()];
    for (int tile = 0; tile < tiles.length; tile++) {
      decode(tile, samples);
    }
    return samples;
  }

  private void decode(int number, char[] samples) throws IOException {
    long left = tileX0 + (long) (number % tilesAcross) * tileWidth;
    long top = tileY0 + (long) (number / tilesAcross) * tileHeight;
    int fromX = (int) Math.max(left, x0);
    int fromY = (int) Math.max(top, y0);
    int toX = (int) Math.min(left + tileWidth, x1);
    int toY = (int) Math.min(top + tileHeight, y1);
    Tile tile = new Tile(coding, bits, fromX, fromY, toX, toY);
    byte[] data = tiles[number].toByteArray();
    tiles[number] = null;
    tile.layOut(data.length);
    long most = FREE_WORK + WORK_A_BYTE * bytes.length;
    work += new PacketReader(coding, data).read(tile, most - work);
    work += tile.work();
    if (work > most) {
      throw new IOException(
          "damaged JPEG 2000: more coding passes than its " + bytes.length + " bytes can hold");
    }
    float[] values = tile.decode(data);
    int width = toX - fromX;
    int shift = signed ? 0 : 1 << bits - 1;
    int min = signed ? -(1 << bits - 1) : 0;
    int max = min + (1 << bits) - 1;
    for (int i = 0; i < values.length; i++) {
      int at = (fromY - y0 + i / width) * width() + fromX - x0 + i % width;
      samples[at] = (char) Math.clamp((int) Math.rint(values[i]) + shift, min, max);
    }
  }

  private void readHeaders() throws IOException {
    if (bytes.length < 2 || unsignedShort(0) != SOC) {
      throw new IOException("damaged JPEG 2000: no codestream");
    }
    position = 2;
    int marker = nextMarker();
    while (marker != SOT) {
      readSegment(marker);
      marker = nextMarker();
    }
    if (tiles == null || cod == null || qcd == null) {
      throw new IOException("damaged JPEG 2000: no SIZ, COD or QCD segment before its tiles");
    }
    coding = CodingStyle.of(cod, qcd);
    while (marker == SOT) {
      readTilePart();
      marker = nextMarker();
    }
    if (marker != EOC) {
      throw unexpected(marker);
    }
    for (ByteArrayOutputStream tile : tiles) {
      if (tile == null) {
        throw new IOException("damaged JPEG 2000: not all of its " + tiles.length + " tiles");
      }
    }
  }

  private void readSegment(int marker) throws IOException {
    byte[] segment = segment();
    switch (marker) {
      case SIZ -> readSize(segment);
      case COD -> cod = segment;
      case QCD -> qcd = segment;
      case TLM, PLM, CRG, COM -> {}
      default -> throw unexpected(marker);
    }
  }

  private void readSize(byte[] siz) throws IOException {
    int start = position - siz.length;
    int components = siz.length < 36 ? 0 : unsignedShort(start + 34);
    if (components != 1) {
      throw new IOException(
          "unsupported JPEG 2000: " + components + " components, expected 1 (grey)");
    }
    if (siz.length != SIZ_BYTES || siz[37] != 1 || siz[38] != 1) {
      throw new IOException("unsupported JPEG 2000: a component that is subsampled");
    }
    bits = (siz[36] & 0x7F) + 1;
    signed = siz[36] < 0;
    if (bits > MAX_BITS) {
      throw new IOException("unsupported JPEG 2000: " + bits + " bits a sample");
    }
    x1 = number(start + 2);
    y1 = number(start + 6);
    x0 = number(start + 10);
    y0 = number(start + 14);
    tileWidth = number(start + 18);
    tileHeight = number(start + 22);
    tileX0 = number(start + 26);
    tileY0 = number(start + 30);
    if (x0 >= x1
        || y0 >= y1
        || tileWidth == 0
        || tileHeight == 0
        || tileX0 > x0
        || tileY0 > y0
        || tileX0 + (long) tileWidth <= x0
        || tileY0 + (long) tileHeight <= y0) {
      throw new IOException("damaged JPEG 2000: an image or tiles without pixels");
    }
    long pixels = (long) width() * height();
    if (pixels > MAX_PIXELS
        || (pixels > FREE_PIXELS && pixels > (long) PIXELS_A_BYTE * bytes.length)) {
      throw new IOException(
          "damaged JPEG 2000: its header claims "
              + width()
              + " x "
              + height()
              + " pixels, more than its "
              + bytes.length
              + " bytes can hold");
    }
    tilesAcross = Math.ceilDiv(x1 - tileX0, tileWidth);
    long count = (long) tilesAcross * Math.ceilDiv(y1 - tileY0, tileHeight);
    if (count > MAX_TILES || tiles != null) {
      throw new IOException("unsupported JPEG 2000: " + count + " tiles, at most " + MAX_TILES);
    }
    tiles = new ByteArrayOutputStream[(int) count];
  }

  /** Keeps a tile-part's packets; the position is after its marker. */
  private void readTilePart() throws IOException {
    int start = position - 2;
    byte[] sot = segment();
    if (sot.length != SOT_BYTES - 2) {
      throw new IOException("damaged JPEG 2000: a tile-part header of " + sot.length + " bytes");
    }
    int tile = unsignedShort(start + 4);
    long length = number(start + 6);
    // Zero: all that is left, but for the end marker.
    long end = length == 0 ? bytes.length - 2 : start + length;
    if (tile >= tiles.length) {
      throw new IOException("damaged JPEG 2000: tile " + tile + " of " + tiles.length);
    }
    int marker = nextMarker();
    while (marker != SOD) {
      if (marker != PLT && marker != COM) {
        throw unexpected(marker);
      }
      segment();
      marker = nextMarker();
    }
    if (end > bytes.length) {
      throw truncated();
    }
    if (end < position) {
      throw new IOException("damaged JPEG 2000: a tile-part of " + length + " bytes");
    }
    if (tiles[tile] == null) {
      tiles[tile] = new ByteArrayOutputStream((int) end - position);
    }
    tiles[tile].write(bytes, position, (int) end - position);
    position = (int) end;
  }

  private int nextMarker() throws IOException {
    if (bytes.length - position < 2) {
      throw truncated();
    }
    int marker = unsignedShort(position);
    position += 2;
    return marker;
  }

  /** The bytes of the segment at this position, after its length; moves past it. */
  private byte[] segment() throws IOException {
    if (bytes.length - position < 2) {
      throw truncated();
    }
    int length = unsignedShort(position);
    if (length < 2) {
      throw new IOException("damaged JPEG 2000: a segment of length " + length);
    }
    if (length > bytes.length - position) {
      throw truncated();
    }
    byte[] segment = Arrays.copyOfRange(bytes, position + 2, position + length);
    position += length;
    return segment;
  }

  private IOException unexpected(int marker) {
    return new IOException(
        String.format(
            "unsupported or damaged JPEG 2000: marker %04X at byte %d", marker, position - 2));
  }

  private IOException truncated() {
    return new IOException(
        "truncated JPEG 2000: it ends at byte " + bytes.length + ", before its end marker");
  }

  private int unsignedShort(int at) {
    return (bytes[at] & 0xFF) << 8 | bytes[at + 1] & 0xFF;
  }

  /** A coordinate or length of 32 bits, of which images that fit memory need 31. */
  private int number(int at) throws IOException {
    int number = unsignedShort(at) << 16 | unsignedShort(at + 2);
    if (number < 0) {
      throw new IOException(
          "damaged JPEG 2000: a length of " + Integer.toUnsignedString(number) + " in its header");
    }
    return number;
  }
}
