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

  /** Bytes of a chunk besides its data: length, type, checksum. */
  private static final int CHUNK_FRAME = 12;

  /** No deflate stream grows by more than this (zlib's "Technical Details", maximum expansion). */
  private static final int MAX_EXPANSION = 1032;

  private PngFile() {}

  /** Keeps the chunks that pixels depend on: transparency, gamma and text are none of them. */
  static ImageFile check(byte[] bytes) {
    ByteBuffer file = ByteBuffer.wrap(bytes);
    Parts parts = new Parts();
    parts.add(bytes, 0, SIGNATURE.length);
    int position = SIGNATURE.length;
    ByteBuffer header = null;
    boolean palette = false;
    long compressed = 0;
    while (true) {
      long length = checkedLength(file, position);
      String type = new String(bytes, position + 4, 4, StandardCharsets.ISO_8859_1);
      int size = (int) length + CHUNK_FRAME;
      if ((header == null) != type.equals("IHDR")) {
        throw new ImageException("damaged PNG: it must have one IHDR chunk, before all others");
      }
      switch (type) {
        case "IHDR" -> header = file.slice(position + 8, (int) length);
        case "PLTE" -> palette = true;
        case "IDAT" -> compressed += length;
        case "IEND" -> {}
        default -> {
          if (Character.isUpperCase(type.charAt(0))) {
            throw new ImageException("damaged PNG: unknown chunk type " + printable(type));
          }
          position += size;
          continue;
        }
      }
      checkChecksum(file, position, size, type);
      parts.add(bytes, position, size);
      position += size;
      if (type.equals("IEND")) {
        return checkHeader(header, palette, compressed, parts);
      }
    }
  }

  private static long checkedLength(ByteBuffer file, int position) {
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

  private static void checkChecksum(ByteBuffer file, int position, int size, String type) {
    CRC32 crc = new CRC32();
    crc.update(file.slice(position + 4, size - 8));
    if ((int) crc.getValue() != file.getInt(position + size - 4)) {
      throw new ImageException(
          "damaged PNG: the checksum of its " + type + " chunk at byte " + position + " is wrong");
    }
  }

  private static ImageFile checkHeader(
      ByteBuffer header, boolean palette, long compressed, Parts parts) {
    if (header.limit() != HEADER_BYTES) {
      throw new ImageException(
          "damaged PNG: an IHDR chunk of " + header.limit() + " bytes, expected " + HEADER_BYTES);
    }
    int bits = header.get(8);
    int color = header.get(9);
    int[] allowedBits =
        switch (color) {
          case 0 -> new int[] {1, 2, 4, 8, 16};
          case 3 -> new int[] {1, 2, 4, 8};
          case 2, 4, 6 -> new int[] {8, 16};
          default -> new int[0];
        };
    boolean known = header.get(10) == 0 && header.get(11) == 0 && (header.get(12) & ~1) == 0;
    if (!known || Arrays.stream(allowedBits).noneMatch(b -> b == bits)) {
      throw new ImageException(
          "damaged PNG: its header has colour type "
              + color
              + " with "
              + bits
              + " bits, or methods that PNG does not define");
    }
    if (color == 3 && !palette) {
      throw new ImageException("damaged PNG: colours by palette, but no PLTE chunk");
    }
    int samples =
        switch (color) {
          case 2 -> 3;
          case 4 -> 2;
          case 6 -> 4;
          default -> 1;
        };
    int channels = color == 3 ? 3 : Math.min(samples, 3);
    int decodedBytes = samples * Math.ceilDiv(bits, 8) + channels + 1;
    ImageFile file = new ImageFile("png", header.getInt(0), header.getInt(4), decodedBytes, parts);
    file.checkHolds(MAX_EXPANSION * compressed * 8 / (samples * bits), compressed);
    return file;
  }

  private static String printable(String type) {
    return type.chars().allMatch(c -> c > ' ' && c < 0x7F)
        ? type
        : "0x"
            + String.format(
                "%08x", ByteBuffer.wrap(type.getBytes(StandardCharsets.ISO_8859_1)).getInt());
  }
}
