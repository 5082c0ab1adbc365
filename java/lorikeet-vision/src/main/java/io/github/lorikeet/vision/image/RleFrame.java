// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import java.util.Arrays;

/** A frame of DICOM's RLE compression (PS3.5, annex G): segments of PackBits. */
final class RleFrame {
  private static final int HEADER_BYTES = 64;

  private final byte[] data;
  private final int start;
  private final int length;
  private final int segments;

  /**
   * @param segments that the frame must have
   */
  RleFrame(byte[] data, int start, int length, int segments) {
    this.data = data;
    this.start = start;
    this.length = length;
    this.segments = segments;
    if (length < HEADER_BYTES) {
      throw new ImageException(
          "truncated DICOM: an RLE frame of " + length + " bytes, expected " + HEADER_BYTES);
    }
    if (number(0) != segments) {
      throw new ImageException(
          "damaged DICOM: an RLE frame of " + number(0) + " segments, expected " + segments);
    }
  }

  /**
   * Decodes one segment; what it has beyond {@code count} bytes is padding.
   *
   * @param index from 0
   * @param count bytes to decode
   */
  byte[] segment(int index, int count) {
    long from = number(index + 1);
    long to = index + 1 < segments ? number(index + 2) : length;
    if (from < HEADER_BYTES || to < from || to > length) {
      throw new ImageException(
          "damaged DICOM: RLE segment from byte " + from + " to " + to + " of " + length);
    }
    int first = start + (int) from;
    int end = start + (int) to;
    // Measured first, so that memory is only taken for bytes that are there.
    int found = unpack(first, end, null, count);
    if (found < count) {
      throw new ImageException(
          "truncated DICOM: an RLE segment of " + found + " bytes, expected " + count);
    }
    byte[] target = new byte[count];
    unpack(first, end, target, count);
    return target;
  }

  /**
   * PackBits: a control byte n, from 0 to 127, goes before n + 1 bytes that stand for themselves;
   * from -1 to -127, before one byte that stands for 1 - n equal ones; -128 is skipped.
   *
   * @param target null to measure only
   * @return bytes unpacked, at most {@code count}
   */
  private int unpack(int from, int end, byte[] target, int count) {
    int at = from;
    int unpacked = 0;
    while (at < end && unpacked < count) {
      int control = data[at++];
      if (control == -128) {
        continue;
      }
      int run = Math.min(control >= 0 ? control + 1 : 1 - control, count - unpacked);
      int taken = control >= 0 ? run : 1;
      if (taken > end - at) {
        break;
      }
      if (target != null && control >= 0) {
        System.arraycopy(data, at, target, unpacked, run);
      } else if (target != null) {
        Arrays.fill(target, unpacked, unpacked + run, data[at]);
      }
      at += taken;
      unpacked += run;
    }
    return unpacked;
  }

  /** A number of the header: how many segments, then where each begins. */
  private long number(int index) {
    int at = start + 4 * index;
    return data[at] & 0xFF
        | (data[at + 1] & 0xFF) << 8
        | (data[at + 2] & 0xFF) << 16
        | (data[at + 3] & 0xFFL) << 24;
  }
}
