// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image.jpeg2000;

import java.io.IOException;
import java.util.Arrays;

/**
 * How tiles are coded (T.800, A.6.1 and A.6.4).
 *
 * @param progression order of the packets, 0 to 4
 * @param layers of quality
 * @param levels of the wavelet transform
 * @param blockWidth log2 of a code block's width
 * @param blockHeight log2 of its height
 * @param style flags of the block coder
 * @param reversible the 5/3 transform; otherwise 9/7
 * @param precincts log2 of the precincts' width and height, a byte a resolution: width in the low
 *     four bits
 * @param guardBits of the quantised coefficients
 * @param steps of each band, 11 bits of mantissa below the exponent
 */
record CodingStyle(
    int progression,
    int layers,
    int levels,
    int blockWidth,
    int blockHeight,
    int style,
    boolean reversible,
    byte[] precincts,
    int guardBits,
    int[] steps) {

  static final int BYPASS = 1;
  static final int RESET_CONTEXTS = 2;
  static final int TERMINATE_ALL = 4;
  static final int CAUSAL = 8;
  static final int SEGMENT_SYMBOLS = 32;

  private static final int MAX_LEVELS = 32;
  private static final int MAX_LAYERS = 65_535;

  /** Bit planes that fit an int, besides the sign and a half. */
  private static final int MAX_PLANES = 30;

  private static final int MANTISSA_BITS = 11;

  /**
   * @param cod the COD segment's bytes, after its length
   * @param qcd the QCD segment's, after its length
   */
  static CodingStyle of(byte[] cod, byte[] qcd) throws IOException {
    if (cod.length < 10 || qcd.length < 2) {
      throw new IOException("damaged JPEG 2000: COD or QCD segment too short");
    }
    int levels = cod[5] & 0xFF;
    boolean ownPrecincts = (cod[0] & 1) != 0;
    int transform = cod[9] & 0xFF;
    if (levels > MAX_LEVELS || transform > 1 || (cod[1] & 0xFF) > 4) {
      throw new IOException(
          "damaged JPEG 2000: a COD segment of "
              + levels
              + " levels, transform "
              + transform
              + ", progression "
              + (cod[1] & 0xFF));
    }
    byte[] precincts = new byte[levels + 1];
    Arrays.fill(precincts, (byte) 0xFF);
    if (ownPrecincts) {
      if (cod.length < 10 + precincts.length) {
        throw new IOException("damaged JPEG 2000: COD segment too short for its precincts");
      }
      System.arraycopy(cod, 10, precincts, 0, precincts.length);
    }
    CodingStyle coding =
        new CodingStyle(
            cod[1],
            (cod[2] & 0xFF) << 8 | cod[3] & 0xFF,
            levels,
            (cod[6] & 0xFF) + 2,
            (cod[7] & 0xFF) + 2,
            cod[8] & 0xFF,
            transform == 1,
            precincts,
            qcd[0] >> 5 & 7,
            steps(qcd, levels, transform == 1));
    coding.check();
    return coding;
  }

  private void check() throws IOException {
    if (layers < 1 || layers > MAX_LAYERS) {
      throw new IOException("damaged JPEG 2000: no layers");
    }
    if (blockWidth > 10 || blockHeight > 10 || blockWidth + blockHeight > 12) {
      throw new IOException(
          "damaged JPEG 2000: code blocks of 2^" + blockWidth + " x 2^" + blockHeight);
    }
    for (int resolution = 1; resolution <= levels; resolution++) {
      if (precinctWidth(resolution) == 0 || precinctHeight(resolution) == 0) {
        throw new IOException("damaged JPEG 2000: precincts of no width or height");
      }
    }
    for (int band = 0; band < steps.length; band++) {
      if (planes(band) < 0 || planes(band) > MAX_PLANES) {
        throw new IOException(
            "unsupported JPEG 2000: coefficients of " + planes(band) + " bit planes");
      }
    }
  }

  /** An exponent and a mantissa for each band; derived ones follow from the first band's. */
  private static int[] steps(byte[] qcd, int levels, boolean reversible) throws IOException {
    int style = qcd[0] & 0x1F;
    if (style > 2 || (style == 0) != reversible) {
      throw new IOException(
          "damaged JPEG 2000: quantisation style " + style + " does not go with its transform");
    }
    int[] steps = new int[3 * levels + 1];
    int bytes = style == 0 ? 1 : 2;
    int given = style == 1 ? 1 : steps.length;
    if (qcd.length < 1 + bytes * given) {
      throw new IOException("damaged JPEG 2000: QCD segment too short for its bands");
    }
    for (int band = 0; band < steps.length; band++) {
      int at = 1 + bytes * Math.min(band, given - 1);
      steps[band] =
          style == 0
              ? (qcd[at] & 0xFF) >> 3 << MANTISSA_BITS
              : (qcd[at] & 0xFF) << 8 | qcd[at + 1] & 0xFF;
      if (style == 1 && band > 3) {
        // Equation E-5: the exponent falls by one from a resolution to the next.
        steps[band] -= (band - 1) / 3 << MANTISSA_BITS;
      }
    }
    return steps;
  }

  int precinctWidth(int resolution) {
    return precincts[resolution] & 15;
  }

  int precinctHeight(int resolution) {
    return precincts[resolution] >> 4 & 15;
  }

  private int exponent(int band) {
    return steps[band] >> MANTISSA_BITS;
  }

  /** Bit planes of a band's coefficients (equation E-2). */
  int planes(int band) {
    return guardBits + exponent(band) - 1;
  }

  /**
   * What a coefficient of one is worth (equation E-3).
   *
   * @param bits of the samples, and of the band's gain
   */
  float step(int band, int bits) {
    int mantissa = steps[band] & (1 << MANTISSA_BITS) - 1;
    return reversible
        ? 1
        : Math.scalb(1 + Math.scalb((float) mantissa, -MANTISSA_BITS), bits - exponent(band));
  }

  boolean has(int flag) {
    return (style & flag) != 0;
  }
}
