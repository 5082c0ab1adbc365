// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Walks a DICOM file (PS3.10 media file; PS3.5 encoding) up to its pixel data, and keeps what
 * describes the picture. Every step moves forward in the file and takes no memory.
 */
final class DicomFile {
  private static final int PREAMBLE = 128;
  private static final byte[] PREFIX = {'D', 'I', 'C', 'M'};

  private static final int META_GROUP = 0x0002;
  private static final int TRANSFER_SYNTAX = 0x00020010;
  private static final int SAMPLES_PER_PIXEL = 0x00280002;
  private static final int PHOTOMETRIC = 0x00280004;
  private static final int FRAMES = 0x00280008;
  private static final int ROWS = 0x00280010;
  private static final int COLUMNS = 0x00280011;
  private static final int BITS_ALLOCATED = 0x00280100;
  private static final int BITS_STORED = 0x00280101;
  private static final int HIGH_BIT = 0x00280102;
  private static final int PIXEL_REPRESENTATION = 0x00280103;
  private static final int PIXEL_DATA = 0x7FE00010;
  private static final int ITEM = 0xFFFEE000;
  private static final int ITEM_END = 0xFFFEE00D;
  private static final int SEQUENCE_END = 0xFFFEE0DD;

  private static final long UNDEFINED = 0xFFFFFFFFL;

  /** Value representations whose length takes four bytes, after two that are unused. */
  private static final String LONG_FORMS = " OB OD OF OL OV OW SQ SV UC UN UR UT UV ";

  private static final int MAX_DEPTH = 32;
  private static final int MAX_TEXT = 64;

  private final byte[] bytes;
  private int position;
  private boolean explicit = true;

  // The element that the position is at the value of.
  private int tag;
  private long length;
  private boolean unknownForm;

  private TransferSyntax syntax;
  private String photometric = "";
  private int frames = 1;
  private int samples = 1;
  private int rows = -1;
  private int columns = -1;
  private int allocated = -1;
  private int stored = -1;
  private int highBit = -1;
  private int signed;

  private DicomFile(byte[] bytes) {
    this.bytes = bytes;
  }

  static boolean isDicom(byte[] bytes) {
    int start = PREAMBLE + PREFIX.length;
    return bytes.length >= start && Arrays.equals(bytes, PREAMBLE, start, PREFIX, 0, PREFIX.length);
  }

  /** Finds the picture of a file that {@link #isDicom}. */
  static DicomPicture check(byte[] bytes) {
    return new DicomFile(bytes).check();
  }

  private DicomPicture check() {
    position = PREAMBLE + PREFIX.length;
    readMeta();
    explicit = syntax != TransferSyntax.IMPLICIT;
    while (position < bytes.length) {
      readHeader();
      if (tag == PIXEL_DATA) {
        return picture();
      }
      if (tag >>> 16 == 0x0028 && length != UNDEFINED) {
        readDescription();
      }
      skipValue(0);
    }
    throw new ImageException("DICOM without a picture: the file has no pixel data");
  }

  /** The file's own group, always explicit, ends where another group begins. */
  private void readMeta() {
    while (bytes.length - position >= 2 && unsignedShort(position) == META_GROUP) {
      readHeader();
      if (tag == TRANSFER_SYNTAX) {
        syntax = TransferSyntax.of(text());
      }
      skipValue(0);
    }
    if (syntax == null) {
      throw new ImageException("damaged DICOM: no transfer syntax (0002,0010) in its header");
    }
  }

  /** Moves to an element's value. */
  private void readHeader() {
    need(8);
    tag = tagAt(position);
    unknownForm = false;
    if (!explicit || tag >>> 16 == ITEM >>> 16) {
      length = unsignedInt(position + 4);
      position += 8;
      return;
    }
    String form = new String(bytes, position + 4, 2, StandardCharsets.ISO_8859_1);
    if (form.chars().anyMatch(c -> c < 'A' || c > 'Z')) {
      throw damaged("an element without a value representation");
    }
    unknownForm = form.equals("UN");
    if (LONG_FORMS.contains(' ' + form + ' ')) {
      need(12);
      length = unsignedInt(position + 8);
      position += 12;
    } else {
      length = unsignedShort(position + 6);
      position += 8;
    }
  }

  private void skipValue(int depth) {
    if (length == UNDEFINED) {
      boolean outside = explicit;
      // PS3.5, 6.2.2: what has no known representation and no length is written implicitly.
      explicit &= !unknownForm;
      skipSequence(depth);
      explicit = outside;
    } else {
      checkLength();
      position += (int) length;
    }
  }

  private void skipSequence(int depth) {
    if (depth == MAX_DEPTH) {
      throw damaged("sequences nested more than " + MAX_DEPTH + " deep");
    }
    while (nextItem()) {
      if (length != UNDEFINED) {
        skipValue(depth);
        continue;
      }
      readHeader();
      while (tag != ITEM_END) {
        skipValue(depth + 1);
        readHeader();
      }
    }
  }

  /** Moves to the value of a sequence's next item; false, and past its end, if there is none. */
  private boolean nextItem() {
    readHeader();
    if (tag == SEQUENCE_END) {
      return false;
    }
    if (tag != ITEM) {
      throw damaged("an element between the items of a sequence");
    }
    return true;
  }

  private void readDescription() {
    switch (tag) {
      case PHOTOMETRIC -> photometric = text();
      case FRAMES -> frames = integer();
      case SAMPLES_PER_PIXEL -> samples = number();
      case ROWS -> rows = number();
      case COLUMNS -> columns = number();
      case BITS_ALLOCATED -> allocated = number();
      case BITS_STORED -> stored = number();
      case HIGH_BIT -> highBit = number();
      case PIXEL_REPRESENTATION -> signed = number();
      default -> {}
    }
  }

  private DicomPicture picture() {
    if (frames != 1) {
      throw new ImageException("unsupported DICOM: " + frames + " frames, expected one picture");
    }
    if (samples != 1 || !photometric.matches("MONOCHROME[12]")) {
      throw new ImageException(
          "unsupported DICOM: "
              + samples
              + " samples a pixel, photometric interpretation '"
              + photometric
              + "'; expected one grey sample, MONOCHROME1 or MONOCHROME2");
    }
    for (int required : new int[] {rows, columns, allocated}) {
      if (required < 0) {
        throw new ImageException(
            "damaged DICOM: rows, columns or bits allocated (group 0028) are missing before its"
                + " pixel data");
      }
    }
    int storedBits = stored < 0 ? allocated : stored;
    DicomPicture.Samples layout =
        new DicomPicture.Samples(
            allocated,
            storedBits,
            highBit < 0 ? storedBits - 1 : highBit,
            signed != 0,
            photometric.equals("MONOCHROME1"));
    byte[] data = bytes;
    int offset = position;
    int dataLength;
    if (syntax.pixels() == TransferSyntax.Pixels.NATIVE) {
      if (length == UNDEFINED) {
        throw damaged("pixel data without a length, in transfer syntax " + syntax);
      }
      checkLength();
      dataLength = (int) length;
    } else {
      data = fragments();
      offset = 0;
      dataLength = data.length;
    }
    return new DicomPicture(syntax.pixels(), columns, rows, layout, data, offset, dataLength);
  }

  /** The compressed picture: all items of the pixel data after the first, a table of offsets. */
  private byte[] fragments() {
    if (length != UNDEFINED) {
      throw damaged("pixel data that is not in fragments, in transfer syntax " + syntax);
    }
    int start = position;
    byte[] joined = new byte[joinFragments(null)];
    position = start;
    joinFragments(joined);
    return joined;
  }

  /**
   * @param target for the fragments; null to measure them
   */
  private int joinFragments(byte[] target) {
    int total = 0;
    for (int item = 0; nextItem(); item++) {
      checkLength();
      if (item > 0) {
        if (target != null) {
          System.arraycopy(bytes, position, target, total, (int) length);
        }
        total += (int) length;
      }
      position += (int) length;
    }
    return total;
  }

  /** The value as text, without its padding. */
  private String text() {
    checkLength();
    int kept = (int) Math.min(length, MAX_TEXT);
    StringBuilder text = new StringBuilder();
    for (int i = position; i < position + kept; i++) {
      if (bytes[i] >= ' ' && bytes[i] < 0x7F) {
        text.append((char) bytes[i]);
      }
    }
    return text.toString().strip();
  }

  private int integer() {
    String text = text();
    if (!text.matches("\\+?[0-9]{1,9}")) {
      throw damaged("'" + text + "' where a whole number is expected");
    }
    return Integer.parseInt(text);
  }

  private int number() {
    checkLength();
    if (length != 2) {
      throw damaged("a value of " + length + " bytes, expected 2");
    }
    return unsignedShort(position);
  }

  private void checkLength() {
    if (length > bytes.length - position) {
      throw new ImageException(
          "truncated DICOM: "
              + element()
              + " should have "
              + (length == UNDEFINED ? "an end" : length + " bytes from byte " + position)
              + ", but the file ends at byte "
              + bytes.length);
    }
  }

  private void need(int count) {
    if (bytes.length - position < count) {
      throw new ImageException(
          "truncated DICOM: the file ends at byte "
              + bytes.length
              + ", within its data set or before its pixel data ends");
    }
  }

  private ImageException damaged(String what) {
    return new ImageException("damaged DICOM: " + what + ", at " + element());
  }

  private String element() {
    return String.format("element (%04X,%04X)", tag >>> 16, tag & 0xFFFF);
  }

  private int tagAt(int at) {
    return unsignedShort(at) << 16 | unsignedShort(at + 2);
  }

  private int unsignedShort(int at) {
    return bytes[at] & 0xFF | (bytes[at + 1] & 0xFF) << 8;
  }

  private long unsignedInt(int at) {
    return unsignedShort(at) | (long) unsignedShort(at + 2) << 16;
  }
}
