// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

/** Checks a JPEG file's segments (ITU-T T.81, JFIF 1.02), up to its end-of-image marker. */
final class JpegFile {
  /** What every file begins with: its first marker. */
  static final byte[] START = {(byte) 0xFF, (byte) 0xD8};

  private static final int SOF0 = 0xC0;
  private static final int SOF2 = 0xC2;
  private static final int DHT = 0xC4;
  private static final int RST0 = 0xD0;
  private static final int RST7 = 0xD7;
  private static final int SOI = 0xD8;
  private static final int EOI = 0xD9;
  private static final int SOS = 0xDA;
  private static final int DQT = 0xDB;
  private static final int DRI = 0xDD;
  private static final int APP0 = 0xE0;
  private static final int APP14 = 0xEE;
  private static final int APP15 = 0xEF;
  private static final int COM = 0xFE;

  private static final int MAX_SCANS = 100;

  /** Each scan is a pass over the whole image; encoders write about ten. */
  private static final int FREE_SCANS = 12;

  /** Pixels that further passes may see, besides so many a compressed byte: they bound the time. */
  private static final long FREE_WORK = 100_000_000;

  private static final long WORK_A_BYTE = 400;

  /** Pixels of the 8 x 8 block that costs at least one bit. */
  private static final int BLOCK_PIXELS = 64;

  /**
   * A progressive image's coefficients, 2 bytes each, are in memory all at once: what they may take
   * besides so many times the file's size.
   */
  private static final long COEFFICIENT_BYTES = 64L << 20;

  private static final int COEFFICIENT_BYTES_A_BYTE = 16;

  private final byte[] bytes;
  private final Parts parts = new Parts();
  private int position = 2;
  private int frame = -1;
  private int scans;
  private long compressed;

  private JpegFile(byte[] bytes) {
    this.bytes = bytes;
  }

  static ImageFile check(byte[] bytes) {
    return new JpegFile(bytes).check();
  }

  private ImageFile check() {
    if (bytes.length < START.length) {
      throw truncated();
    }
    parts.add(bytes, 0, position);
    int marker = nextMarker();
    while (marker != EOI) {
      int start = position;
      int length = segmentLength(marker);
      position += length;
      switch (marker) {
        // JFIF and Adobe say which colours the components are.
        case DHT, DQT, DRI, APP0, APP14 -> keep(start);
        case SOS -> scan(start);
        default -> {
          if (marker >= 0xC0 && marker <= 0xCF) {
            checkFrame(marker, start, length);
            keep(start);
          } else if (marker < APP0 || (marker > APP15 && marker != COM)) {
            throw unexpected(marker, start);
          }
        }
      }
      marker = nextMarker();
    }
    if (scans == 0) {
      throw new ImageException("damaged JPEG: no image data before its end marker");
    }
    return file();
  }

  private ImageFile file() {
    keep(position);
    int height = unsignedShort(frame + 3);
    int width = unsignedShort(frame + 5);
    ImageFile file = new ImageFile("jpeg", width, height, 2 * components() + 1, parts);
    file.checkHolds(compressed * 8 * BLOCK_PIXELS, compressed);
    long work = (long) width * height * Math.max(scans - FREE_SCANS, 0);
    if (work > FREE_WORK + WORK_A_BYTE * compressed) {
      throw new ImageException(
          String.format(
              "JPEG of %d scans of %d x %d pixels in %d bytes of compressed data: not decoded,"
                  + " expected about 10 scans",
              scans, width, height, compressed));
    }
    if ((bytes[frame - 1] & 0xFF) == SOF2) {
      long most = COEFFICIENT_BYTES + COEFFICIENT_BYTES_A_BYTE * compressed;
      file.checkHolds(most / (2 * components()), compressed);
    }
    return file;
  }

  private void scan(int start) {
    if (frame < 0) {
      throw new ImageException("damaged JPEG: a scan before the frame's header");
    }
    if (++scans > MAX_SCANS) {
      throw new ImageException("JPEG of more than " + MAX_SCANS + " scans: not decoded");
    }
    int entropyCoded = position;
    skipEntropyCodedData();
    compressed += position - entropyCoded;
    keep(start);
  }

  private void checkFrame(int marker, int start, int length) {
    if (marker != SOF0 && marker != SOF0 + 1 && marker != SOF2) {
      throw new ImageException(
          String.format(
              "unsupported JPEG: coding process SOF%d; expected baseline or progressive"
                  + " Huffman coding (SOF0, SOF1, SOF2)",
              marker - SOF0));
    }
    if (frame >= 0) {
      throw new ImageException("damaged JPEG: two frame headers");
    }
    frame = start;
    if (length < 8 || length != 8 + 3 * components()) {
      throw new ImageException("damaged JPEG: a frame header of " + length + " bytes");
    }
    if (bytes[start + 2] != 8) {
      throw new ImageException(
          "unsupported JPEG: " + (bytes[start + 2] & 0xFF) + " bits a sample, expected 8");
    }
    if (components() == 4) {
      throw new ImageException("unsupported JPEG: CMYK colours; save it again as grey or RGB");
    }
    if (components() != 1 && components() != 3) {
      throw new ImageException(
          "unsupported JPEG: " + components() + " components, expected 1 (grey) or 3 (colour)");
    }
  }

  private int components() {
    return bytes[frame + 7] & 0xFF;
  }

  /** Keeps all from the marker whose code ends at {@code start} to the present position. */
  private void keep(int start) {
    parts.add(bytes, start - 2, position - start + 2);
  }

  /** Reads the marker at this position; the bytes FF before its code may repeat. */
  private int nextMarker() {
    int at = position;
    while (position < bytes.length && bytes[position] == (byte) 0xFF) {
      position++;
    }
    if (position >= bytes.length) {
      throw truncated();
    }
    if (position == at) {
      throw new ImageException("damaged JPEG: no marker at byte " + at);
    }
    return bytes[position++] & 0xFF;
  }

  private int segmentLength(int marker) {
    if (marker <= 1 || (marker >= RST0 && marker <= SOI)) {
      throw unexpected(marker, position);
    }
    if (bytes.length - position < 2) {
      throw truncated();
    }
    int length = unsignedShort(position);
    if (length < 2) {
      throw new ImageException(
          "damaged JPEG: a segment of length " + length + " at byte " + position);
    }
    if (length > bytes.length - position) {
      throw truncated();
    }
    return length;
  }

  /** Moves to the next marker that is neither an escaped FF nor a restart. */
  private void skipEntropyCodedData() {
    while (position + 1 < bytes.length) {
      if (bytes[position] == (byte) 0xFF) {
        int code = bytes[position + 1] & 0xFF;
        if (code != 0 && code != 0xFF && (code < RST0 || code > RST7)) {
          return;
        }
      }
      position++;
    }
    throw truncated();
  }

  /**
   * @param start where the marker's code ends
   */
  private static ImageException unexpected(int marker, int start) {
    return new ImageException(
        String.format("damaged JPEG: unexpected marker FF%02X at byte %d", marker, start - 2));
  }

  private ImageException truncated() {
    return new ImageException(
        "truncated JPEG: the file ends at byte " + bytes.length + ", before its end marker");
  }

  private int unsignedShort(int at) {
    return (bytes[at] & 0xFF) << 8 | bytes[at + 1] & 0xFF;
  }
}
