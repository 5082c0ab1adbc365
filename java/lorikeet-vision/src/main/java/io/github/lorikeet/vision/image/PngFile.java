// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.CRC32;

/** Checks a PNG file's chunks (W3C Recommendation, "Portable Network Graphics", 3rd edition). */
final class PngFile {
  static final byte[] SIGNATURE = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

  private static final int HEADER_BYTES = 13;

  /** The colour type of files that look their colours up. */
  private static final int PALETTE = 3;

  /** Bytes of a chunk besides its data: length, type, checksum. */
  private static final int CHUNK_FRAME = 12;

  /** No deflate stream grows by more than this (zlib's "Technical Details", maximum expansion). */
  private static final int MAX_EXPANSION = 1032;

  private final ByteBuffer file;
  private final Parts parts = new Parts();

  /** The data of the IDAT chunks, joined: there may be millions, of a byte each or none. */
  private final ByteBuffer compressed;

  private ByteBuffer header;
  private boolean palette;

  private PngFile(byte[] bytes) {
    file = ByteBuffer.wrap(bytes);
    compressed = ByteBuffer.allocate(bytes.length);
  }

  /**
   * Reads a file's chunks.
   *
   * @throws ImageException if the file is damaged, or its dimensions more than its bytes can hold
   */
  static PngFile check(byte[] bytes) {
    PngFile png = new PngFile(bytes);
    png.readChunks(bytes);
    return png;
  }

  /** The rows of a plain file; null if it is of another kind. */
  PngRows plainRows() {
    boolean plain = bits() == 8 && color() != PALETTE && header.get(12) == 0;
    return plain ? new PngRows(header.getInt(0), header.getInt(4), samples(), compressed) : null;
  }

  /** Keeps the chunks that pixels depend on: transparency, gamma and text are none of them. */
  private void readChunks(byte[] bytes) {
    parts.add(bytes, 0, SIGNATURE.length);
    int position = SIGNATURE.length;
    while (true) {
      long length = checkedLength(position);
      String type = new String(bytes, position + 4, 4, StandardCharsets.ISO_8859_1);
      int size = (int) length + CHUNK_FRAME;
      if ((header == null) != type.equals("IHDR")) {
        throw new ImageException("damaged PNG: it must have one IHDR chunk, before all others");
      }
      switch (type) {
        case "IHDR" -> header = file.slice(position + 8, (int) length);
        case "PLTE" -> palette = true;
        case "IDAT" -> compressed.put(bytes, position + 8, (int) length);
        case "IEND" -> {}
        default -> {
          if (Character.isUpperCase(type.charAt(0))) {
            throw new ImageException("damaged PNG: unknown chunk type " + printable(type));
          }
          position += size;
          continue;
        }
      }
      checkChecksum(position, size, type);
      parts.add(bytes, position, size);
      position += size;
      if (type.equals("IEND")) {
        compressed.flip();
        checkHeader();
        return;
      }
    }
  }

  private long checkedLength(int position) {
    if (file.limit() - position < CHUNK_FRAME) {
      throw new ImageException(
          "truncated PNG: the file ends at byte " + file.limit() + ", before its IEND chunk");
    }
    long length = file.getInt(position) & 0xFFFFFFFFL;
    if (length > file.limit() - position - CHUNK_FRAME) {
      throw new ImageException(
          "truncated PNG: the chunk at byte "
              + position
              + " should have "
              + length
              + " bytes of data, but the file ends at byte "
              + file.limit());
    }
    return length;
  }

  private void checkChecksum(int position, int size, String type) {
    CRC32 crc = new CRC32();
    crc.update(file.slice(position + 4, size - 8));
    if ((int) crc.getValue() != file.getInt(position + size - 4)) {
      throw new ImageException(
          "damaged PNG: the checksum of its " + type + " chunk at byte " + position + " is wrong");
    }
  }

  private void checkHeader() {
    if (header.limit() != HEADER_BYTES) {
      throw new ImageException(
          "damaged PNG: an IHDR chunk of " + header.limit() + " bytes, expected " + HEADER_BYTES);
    }
    int[] allowedBits =
        switch (color()) {
          case 0 -> new int[] {1, 2, 4, 8, 16};
          case PALETTE -> new int[] {1, 2, 4, 8};
          case 2, 4, 6 -> new int[] {8, 16};
          default -> new int[0];
        };
    boolean known = header.get(10) == 0 && header.get(11) == 0 && (header.get(12) & ~1) == 0;
    if (!known || Arrays.stream(allowedBits).noneMatch(b -> b == bits())) {
      throw new ImageException(
          "damaged PNG: its header has colour type "
              + color()
              + " with "
              + bits()
              + " bits, or methods that PNG does not define");
    }
    if (color() == PALETTE && !palette) {
      throw new ImageException("damaged PNG: colours by palette, but no PLTE chunk");
    }
    long bytes = compressed.limit();
    file().checkHolds(MAX_EXPANSION * bytes * 8 / (samples() * bits()), bytes);
  }

  private int bits() {
    return header.get(8);
  }

  private int color() {
    return header.get(9);
  }

  /** Of a pixel, transparency included. */
  private int samples() {
    return switch (color()) {
      case 2 -> 3;
      case 4 -> 2;
      case 6 -> 4;
      default -> 1;
    };
  }

  /** The file for ImageIO. */
  ImageFile file() {
    int channels = color() == PALETTE ? 3 : Math.min(samples(), 3);
    int decodedBytes = samples() * Math.ceilDiv(bits(), 8) + channels + 1;
    return new ImageFile("png", header.getInt(0), header.getInt(4), decodedBytes, parts);
  }

  private static String printable(String type) {
    return type.chars().allMatch(c -> c > ' ' && c < 0x7F)
        ? type
        : "0x"
            + String.format(
                "%08x", ByteBuffer.wrap(type.getBytes(StandardCharsets.ISO_8859_1)).getInt());
  }
}
