// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image.jpeg2000;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** A tile's resolutions, bands, precincts and code blocks (T.800, annex B), and its samples. */
final class Tile {
  /** Many times what encoders make of a radiograph; each takes about a kilobyte. */
  private static final int MAX_PRECINCTS = 1 << 14;

  private final CodingStyle coding;
  private final int x0;
  private final int y0;
  private final int x1;
  private final int y1;
  private final List<Resolution> resolutions = new ArrayList<>();
  private final List<Precinct> precincts = new ArrayList<>();

  /**
   * @param bits of a sample
   */
  Tile(CodingStyle coding, int bits, int x0, int y0, int x1, int y1) {
    this.coding = coding;
    this.x0 = x0;
    this.y0 = y0;
    this.x1 = x1;
    this.y1 = y1;
    for (int r = 0; r <= coding.levels(); r++) {
      Resolution resolution = new Resolution(r);
      int count = r == 0 ? 1 : 3;
      for (int b = 0; b < count; b++) {
        resolution.bands.add(new Band(resolution, r == 0 ? 0 : b + 1, bits));
      }
      resolutions.add(resolution);
    }
  }

  /** {@code number / 2^shift}, rounded up; the shift may be more than an int has bits. */
  private static int ceilShift(long number, int shift) {
    return (int) (number + (1L << shift) - 1 >> shift);
  }

  /** The picture at a power of two of its size, 0 the smallest. */
  final class Resolution {
    final int level;
    final int left;
    final int top;
    final int right;
    final int bottom;
    final int precinctWidth;
    final int precinctHeight;
    final List<Band> bands = new ArrayList<>();

    Resolution(int level) {
      this.level = level;
      int shift = coding.levels() - level;
      left = ceilShift(x0, shift);
      top = ceilShift(y0, shift);
      right = ceilShift(x1, shift);
      bottom = ceilShift(y1, shift);
      precinctWidth = coding.precinctWidth(level);
      precinctHeight = coding.precinctHeight(level);
    }

    int precinctsAcross() {
      return left == right ? 0 : ceilShift(right, precinctWidth) - (left >> precinctWidth);
    }

    int precinctsDown() {
      return top == bottom ? 0 : ceilShift(bottom, precinctHeight) - (top >> precinctHeight);
    }

    int width() {
      return right - left;
    }

    int height() {
      return bottom - top;
    }
  }

  /** A quarter of a resolution: of high horizontal or vertical frequencies, or both. */
  final class Band {
    final int left;
    final int top;
    final int right;
    final int bottom;

    /** 0 low frequencies, 1 high horizontal ones (HL), 2 high vertical ones (LH), 3 both. */
    final int orientation;

    final int planes;
    final float step;

    /** Where its coefficients lie among the tile's: those of all bands beside each other. */
    final int column;

    final int row;

    Band(Resolution resolution, int orientation, int bits) {
      this.orientation = orientation;
      int shift = coding.levels() - resolution.level + (resolution.level == 0 ? 0 : 1);
      long highX = (orientation & 1) == 0 ? 0 : 1L << shift - 1;
      long highY = (orientation & 2) == 0 ? 0 : 1L << shift - 1;
      left = ceilShift(x0 - highX, shift);
      top = ceilShift(y0 - highY, shift);
      right = ceilShift(x1 - highX, shift);
      bottom = ceilShift(y1 - highY, shift);
      column = highX == 0 ? 0 : resolution.width() - (right - left);
      row = highY == 0 ? 0 : resolution.height() - (bottom - top);
      int number = resolution.level == 0 ? 0 : 3 * (resolution.level - 1) + orientation;
      planes = coding.planes(number);
      step = coding.step(number, bits + Integer.bitCount(orientation));
    }
  }

  /** A rectangle of a resolution, the blocks of which come in packets of their own. */
  final class Precinct {
    final Resolution resolution;
    final int column;
    final int row;
    final List<Blocks> blocks = new ArrayList<>();

    Precinct(Resolution resolution, int column, int row) {
      this.resolution = resolution;
      this.column = column;
      this.row = row;
      for (Band band : resolution.bands) {
        blocks.add(new Blocks(this, band));
      }
    }

    /** Its upper left corner on the reference grid, but inside the tile. */
    long referenceX() {
      long corner = (long) (resolution.left >> resolution.precinctWidth) + column;
      return Math.max(x0, corner << resolution.precinctWidth << coding.levels() - resolution.level);
    }

    long referenceY() {
      long corner = (long) (resolution.top >> resolution.precinctHeight) + row;
      return Math.max(
          y0, corner << resolution.precinctHeight << coding.levels() - resolution.level);
    }
  }

  /** The code blocks of a precinct in one band, with what their packets' headers tell of them. */
  final class Blocks {
    final Band band;
    final int left;
    final int top;
    final int right;
    final int bottom;
    final int widthBits;
    final int heightBits;
    final int across;
    final int down;
    final TagTree inclusion;
    final TagTree zeroPlanes;
    final CodeBlock[] coded;

    Blocks(Precinct precinct, Band band) {
      this.band = band;
      Resolution resolution = precinct.resolution;
      int halving = resolution.level == 0 ? 0 : 1;
      int width = resolution.precinctWidth - halving;
      int height = resolution.precinctHeight - halving;
      long x = (long) (resolution.left >> resolution.precinctWidth) + precinct.column;
      long y = (long) (resolution.top >> resolution.precinctHeight) + precinct.row;
      left = (int) Math.max(band.left, x << width);
      top = (int) Math.max(band.top, y << height);
      right = (int) Math.min(band.right, x + 1 << width);
      bottom = (int) Math.min(band.bottom, y + 1 << height);
      widthBits = Math.min(coding.blockWidth(), width);
      heightBits = Math.min(coding.blockHeight(), height);
      boolean empty = left >= right || top >= bottom;
      across = empty ? 0 : ceilShift(right, widthBits) - (left >> widthBits);
      down = empty ? 0 : ceilShift(bottom, heightBits) - (top >> heightBits);
      inclusion = new TagTree(across, down);
      zeroPlanes = new TagTree(across, down);
      coded = new CodeBlock[across * down];
    }
  }

  /**
   * Makes the precincts, a resolution after the other, row by row.
   *
   * @param bytes of packets: of each there must be one at least
   */
  void layOut(int bytes) throws IOException {
    long count = 0;
    for (Resolution resolution : resolutions) {
      count += (long) resolution.precinctsAcross() * resolution.precinctsDown();
    }
    if (count > MAX_PRECINCTS || count * coding.layers() > bytes) {
      throw new IOException(
          "truncated or damaged JPEG 2000: a tile of "
              + count
              + " precincts in "
              + coding.layers()
              + " layers in only "
              + bytes
              + " bytes");
    }
    for (Resolution resolution : resolutions) {
      for (int row = 0; row < resolution.precinctsDown(); row++) {
        for (int column = 0; column < resolution.precinctsAcross(); column++) {
          precincts.add(new Precinct(resolution, column, row));
        }
      }
    }
  }

  /** As {@link #layOut} made them. */
  List<Precinct> precincts() {
    return precincts;
  }

  /** Coding passes of all blocks, each as often as the block has coefficients at most. */
  long work() {
    long work = 0;
    for (Precinct precinct : precincts) {
      for (Blocks blocks : precinct.blocks) {
        long area = (long) (blocks.right - blocks.left) * (blocks.bottom - blocks.top);
        long blockArea = Math.min(area, 1L << blocks.widthBits + blocks.heightBits);
        for (CodeBlock block : blocks.coded) {
          work += block == null ? 0 : blockArea * block.passes();
        }
      }
    }
    return work;
  }

  /** By place first, then by resolution. */
  static Comparator<Precinct> byPlace() {
    return Comparator.comparingLong(Precinct::referenceY)
        .thenComparingLong(Precinct::referenceX)
        .thenComparingInt(precinct -> precinct.resolution.level);
  }

  /**
   * Decodes the blocks that packets were read for, and puts the bands together.
   *
   * @param data that the blocks' pieces lie in
   * @return samples, row after row, around zero
   */
  float[] decode(byte[] data) throws IOException {
    int width = x1 - x0;
    float[] values = new float[width * (y1 - y0)];
    BlockDecoder decoder = new BlockDecoder(coding);
    for (Precinct precinct : precincts) {
      for (Blocks blocks : precinct.blocks) {
        for (int i = 0; i < blocks.coded.length; i++) {
          if (blocks.coded[i] != null) {
            decode(decoder, blocks, i, data, values);
          }
        }
      }
    }
    for (int level = 1; level <= coding.levels(); level++) {
      Resolution resolution = resolutions.get(level);
      Wavelet.join(
          values,
          width,
          resolution.left,
          resolution.top,
          resolution.right,
          resolution.bottom,
          coding.reversible());
    }
    return values;
  }

  private void decode(BlockDecoder decoder, Blocks blocks, int index, byte[] data, float[] values)
      throws IOException {
    Band band = blocks.band;
    int x = (blocks.left >> blocks.widthBits) + index % blocks.across;
    int y = (blocks.top >> blocks.heightBits) + index / blocks.across;
    int left = Math.max(blocks.left, x << blocks.widthBits);
    int top = Math.max(blocks.top, y << blocks.heightBits);
    int right = (int) Math.min(blocks.right, x + 1L << blocks.widthBits);
    int bottom = (int) Math.min(blocks.bottom, y + 1L << blocks.heightBits);
    decoder.decode(blocks.coded[index], band.orientation, right - left, bottom - top, data);
    int width = x1 - x0;
    for (int row = top; row < bottom; row++) {
      int at = (band.row + row - band.top) * width + band.column + left - band.left;
      for (int i = 0; i < right - left; i++) {
        values[at + i] = decoder.value(i, row - top) * band.step;
      }
    }
  }
}
