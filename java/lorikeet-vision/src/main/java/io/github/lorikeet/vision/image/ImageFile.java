// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

/**
 * An image file whose structure was checked without decoding it, reduced to the parts that its
 * pixels depend on: no metadata, comments or colour profiles reach the decoder.
 *
 * @param format ImageIO's name of the format
 * @param decodedBytes memory that decoding takes for each pixel
 * @param parts the file again, of those parts alone
 */
record ImageFile(String format, int width, int height, int decodedBytes, Parts parts) {
  /** Of decoded pixels: from here on, a look first at whether they are there. */
  static final long LARGE_BYTES = 48L << 20;

  ImageFile {
    checkSize(width, height);
  }

  /** Refuses dimensions that no picture has. */
  static void checkSize(int width, int height) {
    if (width < 1 || height < 1 || (long) width * height > ImageDecoder.MAX_PIXELS) {
      throw new ImageException(
          "its header claims "
              + dimensions(width, height)
              + " pixels: expected at least 1 x 1 and"
              + " at most "
              + ImageDecoder.MAX_PIXELS
              + " in all");
    }
  }

  /** Whether memory for the pixels is worth a look at whether the pixels are there. */
  boolean isLarge() {
    return (long) width * height * decodedBytes > LARGE_BYTES;
  }

  /**
   * Refuses dimensions for which the file is too short, before memory is set aside for them.
   *
   * @param atMost pixels that the compressed bytes can hold when every code is as short as the
   *     format allows
   */
  void checkHolds(long atMost, long compressedBytes) {
    if ((long) width * height > atMost) {
      throw new ImageException(
          "its header claims "
              + dimensions(width, height)
              + " pixels, more than its "
              + compressedBytes
              + " bytes of compressed data can hold: the file is truncated or"
              + " damaged");
    }
  }

  private static String dimensions(int width, int height) {
    return Integer.toUnsignedString(width) + " x " + Integer.toUnsignedString(height);
  }
}
