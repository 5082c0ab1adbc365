// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

/** How a DICOM file's data set is written and its pixels are compressed (PS3.5, PS3.6 annex A). */
enum TransferSyntax {
  IMPLICIT("1.2.840.10008.1.2", "Implicit VR Little Endian", Pixels.NATIVE),
  EXPLICIT("1.2.840.10008.1.2.1", "Explicit VR Little Endian", Pixels.NATIVE),
  RLE("1.2.840.10008.1.2.5", "RLE Lossless", Pixels.RLE),
  JPEG_BASELINE("1.2.840.10008.1.2.4.50", "JPEG Baseline", Pixels.JPEG),
  JPEG_EXTENDED("1.2.840.10008.1.2.4.51", "JPEG Extended", Pixels.JPEG),
  JPEG_2000_LOSSLESS("1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless Only", Pixels.JPEG_2000),
  JPEG_2000("1.2.840.10008.1.2.4.91", "JPEG 2000", Pixels.JPEG_2000),

  DEFLATED("1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian"),
  BIG_ENDIAN("1.2.840.10008.1.2.2", "Explicit VR Big Endian"),
  JPEG_LOSSLESS("1.2.840.10008.1.2.4.57", "JPEG Lossless"),
  JPEG_LOSSLESS_FIRST_ORDER("1.2.840.10008.1.2.4.70", "JPEG Lossless, First-Order Prediction"),
  JPEG_LS_LOSSLESS("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless"),
  JPEG_LS("1.2.840.10008.1.2.4.81", "JPEG-LS Near-Lossless"),
  JPEG_2000_PART_2_LOSSLESS("1.2.840.10008.1.2.4.92", "JPEG 2000 Part 2 Lossless Only"),
  JPEG_2000_PART_2("1.2.840.10008.1.2.4.93", "JPEG 2000 Part 2"),
  MPEG2_MAIN("1.2.840.10008.1.2.4.100", "MPEG-2 Main Profile"),
  MPEG4_HIGH("1.2.840.10008.1.2.4.102", "MPEG-4 High Profile"),
  JPEG_XL_LOSSLESS("1.2.840.10008.1.2.4.110", "JPEG XL Lossless"),
  JPEG_XL("1.2.840.10008.1.2.4.112", "JPEG XL"),
  HT_JPEG_2000_LOSSLESS("1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000 Lossless Only"),
  HT_JPEG_2000("1.2.840.10008.1.2.4.203", "High-Throughput JPEG 2000");

  /** How pixels are compressed; null where they cannot be read. */
  enum Pixels {
    NATIVE,
    RLE,
    JPEG,
    JPEG_2000
  }

  private final String uid;
  private final String title;
  private final Pixels pixels;

  TransferSyntax(String uid, String title) {
    this(uid, title, null);
  }

  TransferSyntax(String uid, String title, Pixels pixels) {
    this.uid = uid;
    this.title = title;
    this.pixels = pixels;
  }

  /**
   * @throws ImageException naming the syntax, if it is not one that is read
   */
  static TransferSyntax of(String uid) {
    String title = "unknown";
    for (TransferSyntax syntax : values()) {
      if (syntax.uid.equals(uid)) {
        if (syntax.pixels != null) {
          return syntax;
        }
        title = syntax.title;
      }
    }
    throw new ImageException(
        "unsupported DICOM: transfer syntax "
            + uid
            + " ("
            + title
            + "); expected uncompressed little endian, RLE, JPEG baseline or JPEG 2000: convert it,"
            + " for instance with gdcmconv --raw");
  }

  Pixels pixels() {
    return pixels;
  }

  @Override
  public String toString() {
    return uid + " (" + title + ")";
  }
}
