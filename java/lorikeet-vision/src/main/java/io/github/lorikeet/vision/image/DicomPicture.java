// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import io.github.lorikeet.vision.image.jpeg2000.Codestream;
import java.io.IOException;

/**
 * The one grey picture of a DICOM file, not decoded yet. Its samples are taken as they are stored:
 * rescaling, lookup tables and display windows are left aside, as the study leaves them.
 *
 * @param compression of the data
 * @param data array that holds the picture's bytes, {@code length} from {@code offset}; all of it
 *     if they are compressed
 */
record DicomPicture(
    TransferSyntax.Pixels compression,
    int width,
    int height,
    Samples samples,
    byte[] data,
    int offset,
    int length) {

  /**
   * What the bits of a sample mean (PS3.5, 8.1.1).
   *
   * @param allocated bits that a sample takes: 8 or 16
   * @param stored bits that hold its value
   * @param highBit place of the value's highest bit, from 0
   * @param signed whether the value is a two's complement
   * @param inverted whether the lowest value is white (MONOCHROME1)
   */
  record Samples(int allocated, int stored, int highBit, boolean signed, boolean inverted) {
    Samples {
      if ((allocated != 8 && allocated != 16)
          || stored < 1
          || highBit < stored - 1
          || highBit >= allocated) {
        throw new ImageException(
            "unsupported DICOM: "
                + stored
                + " bits stored up to bit "
                + highBit
                + " of "
                + allocated
                + "; expected 8 or 16 bits allocated, and the stored ones among them");
      }
    }

    int value(int word) {
      int unused = Integer.SIZE - 1 - highBit;
      int left = word << unused;
      int shift = Integer.SIZE - stored;
      return signed ? left >> shift : left >>> shift;
    }
  }

  /** Samples as they are stored, by their place in the picture, row after row. */
  private interface Words {
    int at(int i);
  }

  DicomPicture {
    ImageFile.checkSize(width, height);
  }

  /** The picture in 8 bits. */
  Image decode() throws IOException {
    int pixels = width * height;
    Words words =
        switch (compression) {
          case NATIVE -> nativeWords(pixels);
          case RLE -> rleWords(pixels);
          case JPEG -> jpegWords();
          case JPEG_2000 -> jpeg2000Words();
        };
    return new Image(width, height, 1, scaled(words, pixels));
  }

  /**
   * Times 255 / the picture's largest value, negative ones cut off; then inverted if the lowest
   * value is white. The product and its rounding, to float32 and to the nearest even integer, are
   * OpenCV's {@code convertScaleAbs}, which the study uses.
   */
  private byte[] scaled(Words words, int pixels) {
    int max = 1;
    for (int i = 0; i < pixels; i++) {
      max = Math.max(max, samples.value(words.at(i)));
    }
    float scale = (float) (255.0 / max);
    byte[] levels = new byte[1 << samples.allocated];
    for (int word = 0; word < levels.length; word++) {
      int value = Math.clamp(samples.value(word), 0, max);
      int level = (int) Math.rint(value * scale);
      levels[word] = (byte) (samples.inverted ? 255 - level : level);
    }
    byte[] scaled = new byte[pixels];
    for (int i = 0; i < pixels; i++) {
      scaled[i] = levels[words.at(i)];
    }
    return scaled;
  }

  private Words nativeWords(int pixels) {
    long expected = (long) pixels * samples.allocated / 8;
    if (length < expected) {
      throw new ImageException(
          "truncated DICOM: "
              + length
              + " bytes of pixel data, expected "
              + expected
              + " for "
              + width
              + " x "
              + height
              + " samples of "
              + samples.allocated
              + " bits");
    }
    return samples.allocated == 8
        ? i -> data[offset + i] & 0xFF
        : i -> data[offset + 2 * i] & 0xFF | (data[offset + 2 * i + 1] & 0xFF) << 8;
  }

  /** Each byte of the samples is a segment of its own, the highest first (PS3.5, annex G). */
  private Words rleWords(int pixels) {
    RleFrame frame = new RleFrame(data, offset, length, samples.allocated / 8);
    byte[] high = frame.segment(0, pixels);
    if (samples.allocated == 8) {
      return i -> high[i] & 0xFF;
    }
    byte[] low = frame.segment(1, pixels);
    return i -> (high[i] & 0xFF) << 8 | low[i] & 0xFF;
  }

  private Words jpegWords() throws IOException {
    ImageFile file = JpegFile.check(data);
    checkSize("JPEG", file.width(), file.height());
    Image image = ImageDecoder.decode(file);
    if (image.channels() != 1) {
      throw new ImageException("damaged DICOM: a JPEG of three colours, expected grey");
    }
    return i -> image.pixels()[i] & 0xFF;
  }

  private Words jpeg2000Words() {
    try {
      Codestream codestream = Codestream.read(data);
      checkSize("JPEG 2000", codestream.width(), codestream.height());
      char[] words = codestream.decode();
      int mask = (1 << samples.allocated) - 1;
      return i -> words[i] & mask;
    } catch (IOException e) {
      throw new ImageException(e.getMessage(), e);
    }
  }

  private void checkSize(String format, int foundWidth, int foundHeight) {
    if (foundWidth != width || foundHeight != height) {
      throw new ImageException(
          "damaged DICOM: a "
              + format
              + " of "
              + foundWidth
              + " x "
              + foundHeight
              + " pixels, expected "
              + width
              + " x "
              + height);
    }
  }
}
