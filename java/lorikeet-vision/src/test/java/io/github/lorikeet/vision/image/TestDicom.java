// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Writes DICOM files (PS3.10), an element a method, for tests to read. */
public final class TestDicom {
  static final String IMPLICIT = "1.2.840.10008.1.2";
  static final String EXPLICIT = "1.2.840.10008.1.2.1";
  static final String RLE = "1.2.840.10008.1.2.5";
  static final String JPEG = "1.2.840.10008.1.2.4.50";
  static final String JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90";

  private static final int PIXEL_DATA = 0x7FE00010;
  private static final int UNDEFINED = -1;

  private final String syntax;
  private final boolean explicit;
  private final ByteArrayOutputStream data = new ByteArrayOutputStream();

  private TestDicom(String syntax, boolean explicit) {
    this.syntax = syntax;
    this.explicit = explicit;
  }

  /** A data set with nothing in it. */
  static TestDicom of(String syntax) {
    return new TestDicom(syntax, !syntax.equals(IMPLICIT));
  }

  /** A data set that describes a grey picture, but for its pixel data. */
  static TestDicom grey(String syntax, int width, int height, int allocated, int stored) {
    return of(syntax)
        .text(0x00080060, "CS", "DX")
        .number(0x00280002, 1)
        .text(0x00280004, "CS", "MONOCHROME2")
        .number(0x00280010, height)
        .number(0x00280011, width)
        .number(0x00280100, allocated)
        .number(0x00280101, stored)
        .number(0x00280102, stored - 1)
        .number(0x00280103, 0);
  }

  /** An 8-bit grey JPEG file as RSNA's radiographs have it. */
  public static byte[] jpegInside(int width, int height) {
    byte[] jpeg = TestImages.jpeg(TestImages.gray(width, height), false);
    return grey(JPEG, width, height, 8, 8).fragments(new byte[0], jpeg).file();
  }

  /** A later value takes the place of an earlier one. */
  TestDicom number(int tag, int value) {
    return element(tag, "US", words(value));
  }

  TestDicom text(int tag, String form, String value) {
    return element(tag, form, value.getBytes(StandardCharsets.ISO_8859_1));
  }

  TestDicom element(int tag, String form, byte[] value) {
    byte[] padded = Arrays.copyOf(value, value.length + value.length % 2);
    return header(tag, form, padded.length).raw(padded);
  }

  /** An element's start: what follows is its value. */
  TestDicom header(int tag, String form, int length) {
    raw(words(tag >>> 16, tag & 0xFFFF));
    if (!explicit) {
      return raw(longs(length));
    }
    raw(form.getBytes(StandardCharsets.ISO_8859_1));
    return "OB OW SQ UN UT".contains(form) ? raw(words(0)).raw(longs(length)) : raw(words(length));
  }

  /** The start of a sequence, UN or pixel data that ends by a delimiter. */
  TestDicom begin(int tag, String form) {
    return header(tag, form, UNDEFINED);
  }

  TestDicom item(int length) {
    return raw(words(0xFFFE, 0xE000)).raw(longs(length));
  }

  TestDicom endItem() {
    return raw(words(0xFFFE, 0xE00D)).raw(longs(0));
  }

  TestDicom end() {
    return raw(words(0xFFFE, 0xE0DD)).raw(longs(0));
  }

  TestDicom raw(byte[] bytes) {
    data.writeBytes(bytes);
    return this;
  }

  TestDicom pixels(byte[] pixels) {
    return element(PIXEL_DATA, "OW", pixels);
  }

  /**
   * @param fragments the table of offsets, then the compressed picture's pieces
   */
  TestDicom fragments(byte[]... fragments) {
    begin(PIXEL_DATA, "OB");
    for (byte[] fragment : fragments) {
      byte[] padded = Arrays.copyOf(fragment, fragment.length + fragment.length % 2);
      item(padded.length).raw(padded);
    }
    return end();
  }

  /** A frame of RLE compression, a segment a plane: runs of equal bytes, and single ones. */
  static byte[] rle(byte[]... planes) {
    int[] header = new int[16];
    header[0] = planes.length;
    ByteArrayOutputStream segments = new ByteArrayOutputStream();
    for (int i = 0; i < planes.length; i++) {
      header[i + 1] = 64 + segments.size();
      byte[] plane = planes[i];
      for (int at = 0; at < plane.length; ) {
        int run = 1;
        while (run < 128 && at + run < plane.length && plane[at + run] == plane[at]) {
          run++;
        }
        segments.write(1 - run);
        segments.write(plane[at]);
        at += run;
      }
    }
    ByteArrayOutputStream frame = new ByteArrayOutputStream();
    frame.writeBytes(longs(header));
    frame.writeBytes(segments.toByteArray());
    return frame.toByteArray();
  }

  byte[] file() {
    TestDicom meta = new TestDicom(syntax, true);
    byte[] uid = syntax.getBytes(StandardCharsets.ISO_8859_1);
    meta.element(0x00020000, "UL", longs(8 + uid.length + uid.length % 2));
    meta.element(0x00020010, "UI", uid);
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    file.writeBytes(new byte[128]);
    file.writeBytes("DICM".getBytes(StandardCharsets.ISO_8859_1));
    file.writeBytes(meta.data.toByteArray());
    file.writeBytes(data.toByteArray());
    return file.toByteArray();
  }

  /** Little-endian 16-bit words. */
  static byte[] words(int... values) {
    ByteBuffer bytes = ByteBuffer.allocate(2 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (int value : values) {
      bytes.putShort((short) value);
    }
    return bytes.array();
  }

  /** Little-endian 32-bit words. */
  static byte[] longs(int... values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (int value : values) {
      bytes.putInt(value);
    }
    return bytes.array();
  }
}
