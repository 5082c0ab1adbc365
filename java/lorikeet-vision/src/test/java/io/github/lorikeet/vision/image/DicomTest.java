// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import static io.github.lorikeet.vision.image.TestDicom.longs;
import static io.github.lorikeet.vision.image.TestDicom.words;
import static io.github.lorikeet.vision.image.TestImages.bytes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DicomTest {
  private static final int PHOTOMETRIC = 0x00280004;
  private static final int HIGH_BIT = 0x00280102;
  private static final int SIGNED = 0x00280103;

  private static int[] decode(TestDicom dicom) {
    return TestImages.values(ImageDecoder.decode(dicom.file(), "x"));
  }

  private static void assertRefused(TestDicom dicom, String message) {
    assertThatThrownBy(() -> ImageDecoder.decode(dicom.file(), "x"))
        .isInstanceOf(ImageException.class)
        .hasMessageStartingWith("x: ")
        .hasMessageContaining(message);
  }

  private static TestDicom grey8(int width, int height) {
    return TestDicom.grey(TestDicom.EXPLICIT, width, height, 8, 8);
  }

  @ParameterizedTest
  @ValueSource(strings = {TestDicom.EXPLICIT, TestDicom.IMPLICIT})
  void samplesAreScaledByTheLargest(String syntax) {
    // Largest 200: 50 * 1.275 = 63.75, 150: 191.25, 199: 253.725.
    TestDicom dicom = TestDicom.grey(syntax, 3, 2, 8, 8).pixels(bytes(0, 50, 200, 150, 199, 10));
    Image image = ImageDecoder.decode(dicom.file(), "x");
    assertThat(image.width()).isEqualTo(3);
    assertThat(image.height()).isEqualTo(2);
    assertThat(image.channels()).isEqualTo(1);
    assertThat(TestImages.values(image)).containsExactly(0, 64, 255, 191, 254, 13);
  }

  @Test
  void halvesAreRoundedToEvenLevels() {
    // Largest 510, so that samples are halved: 0.5, 1.5, 2.5, 3.5 become 0, 2, 2, 4.
    TestDicom dicom = TestDicom.grey(TestDicom.EXPLICIT, 5, 1, 16, 16);
    assertThat(decode(dicom.pixels(words(1, 3, 5, 7, 510)))).containsExactly(0, 2, 2, 4, 255);
  }

  @Test
  void sixteenBitsAreLittleEndianAndUnsigned() {
    // 0x8000 * 255 / 0xFFFF = 127.502, 0x0100: 0.996, 0x0040: 0.249.
    TestDicom dicom = TestDicom.grey(TestDicom.IMPLICIT, 2, 2, 16, 16);
    assertThat(decode(dicom.pixels(words(0x8000, 0xFFFF, 0x0100, 0x0040))))
        .containsExactly(128, 255, 1, 0);
  }

  @Test
  void monochrome1IsInvertedAfterScaling() {
    // Largest 100: 40 * 2.55 = 102, which becomes 255 - 102.
    TestDicom dicom = grey8(3, 1).text(PHOTOMETRIC, "CS", "MONOCHROME1");
    assertThat(decode(dicom.pixels(bytes(0, 40, 100)))).containsExactly(255, 153, 0);
  }

  @Test
  void signedSamplesHaveNegativeValuesThatAreBlack() {
    // 12 bits: 0xFFF is -1 and 0x800 is -2048; largest 0x7FF = 2047, 1024 * 255 / 2047 = 127.562.
    TestDicom dicom = TestDicom.grey(TestDicom.EXPLICIT, 5, 1, 16, 12).number(SIGNED, 1);
    assertThat(decode(dicom.pixels(words(0xFFF, 0x7FF, 0x800, 0x400, 0))))
        .containsExactly(0, 255, 0, 128, 0);
    // Eight bits: 0x80 is -128, 0x7F the largest; 0x20 = 32: 32 * 255 / 127 = 64.25.
    TestDicom byteSized = grey8(3, 1).number(SIGNED, 1);
    assertThat(decode(byteSized.pixels(bytes(0x80, 0x7F, 0x20)))).containsExactly(0, 255, 64);
    TestDicom negative = grey8(2, 1).number(SIGNED, 1);
    assertThat(decode(negative.pixels(bytes(0x80, 0xFF)))).containsExactly(0, 0);
  }

  @Test
  void bitsOutsideTheStoredOnesAreLeftAside() {
    // 12 bits below bit 12, overlays above: 0xF001 is 1, 0x1FFF is 4095; 1 * 255 / 4095 = 0.06.
    TestDicom low = TestDicom.grey(TestDicom.EXPLICIT, 3, 1, 16, 12);
    assertThat(decode(low.pixels(words(0xF001, 0x1FFF, 0xF800)))).containsExactly(0, 255, 128);
    // 12 bits at the top, noise below: 0x000F is 0, 0xFFF0 is 4095, 0x8005 is 2048: 127.53.
    TestDicom high = TestDicom.grey(TestDicom.EXPLICIT, 3, 1, 16, 12).number(HIGH_BIT, 15);
    assertThat(decode(high.pixels(words(0x000F, 0xFFF0, 0x8005)))).containsExactly(0, 255, 128);
  }

  @Test
  void blackPicturesStayBlack() {
    assertThat(decode(grey8(2, 1).pixels(bytes(0, 0)))).containsExactly(0, 0);
  }

  @Test
  void runLengthsOfEightBits() {
    // Control 2: three bytes as they are; -3: four times 7; -128: nothing; 0: one byte; -1: two.
    byte[] segment = bytes(2, 255, 1, 2, -3, 7, -128, 0, 9, -1, 5);
    byte[] frame = frame(segment);
    TestDicom dicom = TestDicom.grey(TestDicom.RLE, 5, 2, 8, 8);
    assertThat(decode(dicom.fragments(new byte[0], frame)))
        .containsExactly(255, 1, 2, 7, 7, 7, 7, 9, 5, 5);
  }

  @Test
  void runLengthsOfSixteenBitsHaveTheHighBytesFirst() {
    // High bytes 1, 1, 1, 0 and low ones 0xFF, 0, 0x80, 0xFF: 511, 256, 384, 255; largest 511, so
    // 256 * 255 / 511 = 127.75, 384: 191.62, 255: 127.25.
    byte[] frame = frame(bytes(-2, 1, 0, 0), bytes(3, 0xFF, 0, 0x80, 0xFF));
    TestDicom dicom = TestDicom.grey(TestDicom.RLE, 2, 2, 16, 16);
    assertThat(decode(dicom.fragments(longs(0), frame))).containsExactly(255, 128, 192, 127);
  }

  @Test
  void damagedRunLengthsAreNamed() {
    byte[] frame = frame(bytes(-8, 1));
    assertRefused(
        TestDicom.grey(TestDicom.RLE, 5, 2, 8, 8).fragments(new byte[0], frame),
        "truncated DICOM: an RLE segment of 9 bytes, expected 10");
    assertRefused(
        TestDicom.grey(TestDicom.RLE, 3, 3, 16, 12).fragments(new byte[0], frame),
        "an RLE frame of 1 segments, expected 2");
    assertRefused(
        TestDicom.grey(TestDicom.RLE, 3, 3, 8, 8).fragments(new byte[0], Arrays.copyOf(frame, 60)),
        "an RLE frame of 60 bytes, expected 64");
    byte[] elsewhere = frame.clone();
    elsewhere[5] = 1;
    assertRefused(
        TestDicom.grey(TestDicom.RLE, 3, 3, 8, 8).fragments(new byte[0], elsewhere),
        "RLE segment from byte 320");
  }

  /** A frame of segments, each padded to an even length. */
  private static byte[] frame(byte[]... segments) {
    int[] header = new int[16];
    header[0] = segments.length;
    ByteArrayOutputStream data = new ByteArrayOutputStream();
    for (int i = 0; i < segments.length; i++) {
      header[i + 1] = 64 + data.size();
      data.writeBytes(Arrays.copyOf(segments[i], segments[i].length + segments[i].length % 2));
    }
    ByteArrayOutputStream frame = new ByteArrayOutputStream();
    frame.writeBytes(longs(header));
    frame.writeBytes(data.toByteArray());
    return frame.toByteArray();
  }

  @Test
  void jpegInPiecesIsTheJpegScaled() {
    byte[] jpeg = TestImages.jpeg(TestImages.gray(60, 44), false);
    int[] plain = TestImages.values(ImageDecoder.decode(jpeg, "jpeg"));
    int max = Arrays.stream(plain).max().orElseThrow();
    assertThat(max).isLessThan(255);
    TestDicom dicom = TestDicom.grey(TestDicom.JPEG, 60, 44, 8, 8);
    byte[] first = Arrays.copyOf(jpeg, 200);
    byte[] second = Arrays.copyOfRange(jpeg, 200, jpeg.length);
    int[] decoded = decode(dicom.fragments(longs(0), first, second));
    for (int i = 0; i < plain.length; i++) {
      assertThat(decoded[i] - plain[i] * 255.0 / max).isBetween(-0.5001, 0.5001);
    }
    assertRefused(
        TestDicom.grey(TestDicom.JPEG, 61, 44, 8, 8).fragments(new byte[0], jpeg),
        "a JPEG of 60 x 44 pixels, expected 61 x 44");
    assertRefused(
        TestDicom.grey(TestDicom.JPEG, 60, 44, 8, 8).fragments(longs(0)),
        "truncated JPEG: the file ends at byte 0");
  }

  @Test
  void elementsOfAllFormsAreSkipped() {
    TestDicom dicom = TestDicom.of(TestDicom.EXPLICIT);
    dicom.text(0x00080018, "UI", "1.2.3").element(0x00090010, "UN", bytes(1, 2, 3, 4));
    // A sequence without a length, of items with and without one; a sequence in an item.
    dicom.begin(0x00081140, "SQ");
    dicom.item(10).number(0x00280010, 77);
    dicom.item(-1).begin(0x00081150, "SQ").item(-1).number(0x00280011, 78).endItem().end();
    dicom.text(0x00081160, "LO", "ab").endItem().end();
    // A sequence with a length, and one of unknown form, written implicitly.
    dicom.header(0x00081199, "SQ", 8).item(0);
    dicom.begin(0x00091001, "UN").item(-1).raw(words(0x0009, 0x1002)).raw(longs(2));
    dicom.raw(words(5)).endItem().end();
    dicom.text(PHOTOMETRIC, "CS", "MONOCHROME2").number(0x00280010, 1).number(0x00280011, 2);
    dicom.number(0x00280100, 8).pixels(bytes(128, 255));
    assertThat(decode(dicom)).containsExactly(128, 255);
  }

  @Test
  void implicitSequencesAreSkippedToo() {
    TestDicom dicom = TestDicom.of(TestDicom.IMPLICIT);
    dicom.begin(0x00081140, "SQ").item(-1).number(0x00280010, 77).endItem().end();
    dicom.text(PHOTOMETRIC, "CS", "MONOCHROME2").number(0x00280010, 1).number(0x00280011, 2);
    dicom.number(0x00280100, 8).pixels(bytes(128, 255));
    assertThat(decode(dicom)).containsExactly(128, 255);
  }

  @Test
  void whatFollowsThePixelsIsNotRead() {
    TestDicom dicom = grey8(2, 1).pixels(bytes(128, 255)).raw(bytes(1, 2, 3));
    assertThat(decode(dicom)).containsExactly(128, 255);
  }

  @ParameterizedTest
  @CsvSource({
    "1.2.840.10008.1.2.2, Explicit VR Big Endian",
    "1.2.840.10008.1.2.1.99, Deflated Explicit VR Little Endian",
    "1.2.840.10008.1.2.4.70, 'JPEG Lossless, First-Order Prediction'",
    "1.2.840.10008.1.2.4.80, JPEG-LS Lossless",
    "1.2.840.10008.1.2.4.203, High-Throughput JPEG 2000",
    "1.2.3.4, unknown",
  })
  void otherTransferSyntaxesAreNamed(String uid, String name) {
    TestDicom dicom = TestDicom.grey(uid, 2, 2, 8, 8).fragments(new byte[0], bytes(1, 2));
    assertRefused(
        dicom, "x: unsupported DICOM: transfer syntax " + uid + " (" + name + "); expected ");
  }

  @Test
  void otherPicturesAreNamed() {
    assertRefused(
        grey8(2, 1).text(0x00280008, "IS", "12 ").pixels(bytes(1, 2)),
        "unsupported DICOM: 12 frames, expected one picture");
    assertRefused(
        grey8(1, 1).number(0x00280002, 3).text(PHOTOMETRIC, "CS", "RGB").pixels(bytes(1, 2, 3)),
        "3 samples a pixel, photometric interpretation 'RGB'; expected one grey sample");
    assertRefused(
        grey8(2, 1).text(PHOTOMETRIC, "CS", "PALETTE COLOR").pixels(bytes(1, 2)),
        "photometric interpretation 'PALETTE COLOR'");
    assertRefused(
        TestDicom.grey(TestDicom.EXPLICIT, 1, 1, 32, 32).pixels(bytes(1, 2, 3, 4)),
        "32 bits stored up to bit 31 of 32; expected 8 or 16 bits");
    assertRefused(
        grey8(2, 1).number(HIGH_BIT, 9).pixels(bytes(1, 2)), "8 bits stored up to bit 9 of 8");
    assertRefused(grey8(2, 1), "DICOM without a picture");
    assertRefused(
        TestDicom.of(TestDicom.EXPLICIT).text(PHOTOMETRIC, "CS", "MONOCHROME2").pixels(bytes(1, 2)),
        "rows, columns or bits allocated (group 0028) are missing");
    assertRefused(grey8(0, 1).pixels(bytes(1, 2)), "header claims 0 x 1");
    assertRefused(grey8(65_535, 65_535).pixels(bytes(1, 2)), "header claims 65535 x 65535");
    assertRefused(
        grey8(8000, 8000).pixels(bytes(1, 2)),
        "truncated DICOM: 2 bytes of pixel data, expected 64000000 for 8000 x 8000");
    assertRefused(
        grey8(2, 1).fragments(new byte[0], bytes(1, 2)),
        "pixel data without a length, in transfer syntax 1.2.840.10008.1.2.1");
    assertRefused(
        TestDicom.grey(TestDicom.RLE, 2, 1, 8, 8).pixels(bytes(1, 2)),
        "pixel data that is not in fragments");
  }

  @Test
  void nestingHasALimit() {
    TestDicom dicom = TestDicom.of(TestDicom.EXPLICIT);
    for (int i = 0; i < 100_000; i++) {
      dicom.begin(0x00081140, "SQ").item(-1);
    }
    assertRefused(dicom, "sequences nested more than 32 deep");
  }

  @Test
  void truncatedFilesAreRefusedAtEveryLength() {
    byte[] plain = grey8(3, 2).pixels(bytes(1, 2, 3, 4, 5, 6)).file();
    byte[] jpeg = TestDicom.jpegInside(16, 16);
    for (byte[] file : new byte[][] {plain, jpeg}) {
      assertThat(ImageDecoder.decode(file, "x").channels()).isEqualTo(1);
      for (int length = 132; length < file.length; length++) {
        byte[] cut = Arrays.copyOf(file, length);
        assertThatThrownBy(() -> ImageDecoder.decode(cut, "x"))
            .isInstanceOf(ImageException.class)
            .hasMessageMatching("x: (truncated|damaged) DICOM: .*|x: DICOM without a picture.*");
      }
    }
  }
}
