// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import static io.github.lorikeet.vision.image.TestImages.bytes;
import static io.github.lorikeet.vision.image.TestImages.values;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ImageDecoderTest {
  private static final int GRAY = 0;
  private static final int RGB = 2;
  private static final int PALETTE = 3;
  private static final int GRAY_ALPHA = 4;
  private static final int RGB_ALPHA = 6;

  private static Image decode(byte[] file) {
    return ImageDecoder.decode(file, "x");
  }

  private static void assertImage(Image image, int width, int height, int... values) {
    assertThat(image.width()).isEqualTo(width);
    assertThat(image.height()).isEqualTo(height);
    assertThat(values(image)).containsExactly(values);
  }

  @Test
  void grayPng() {
    byte[] file = TestImages.png(3, 2, 8, GRAY, false, null, bytes(0, 1, 2, 3, 0, 253, 254, 255));
    assertImage(decode(file), 3, 2, 1, 2, 3, 253, 254, 255);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4})
  void fewBitsOfGraySpreadOverTheWholeRange(int bits) {
    // All values in order, as many as fit one byte.
    int max = (1 << bits) - 1;
    int[] expected = new int[8 / bits];
    int packed = 0;
    for (int i = 0; i < expected.length; i++) {
      packed |= (i & max) << (8 - bits * (i + 1));
      expected[i] = (i & max) * 255 / max;
    }
    byte[] file = TestImages.png(expected.length, 1, bits, GRAY, false, null, bytes(0, packed));
    assertImage(decode(file), expected.length, 1, expected);
  }

  @Test
  void sixteenBitsAreScaledByTheLargestValue() {
    // 12 bits in 16, as radiographs have them: largest 4000, so 15.68 levels to one of 255.
    // 2000 * 255 / 4000 = 127.5 is rounded up, 7 * 255 / 4000 = 0.446 down, 8: 0.51 up.
    byte[] file =
        TestImages.png(
            5,
            1,
            16,
            GRAY,
            false,
            null,
            bytes(0, 0, 0, 0, 7, 0, 8, 2000 >> 8, 2000 & 255, 4000 >> 8, 4000 & 255));
    assertImage(decode(file), 5, 1, 0, 0, 1, 128, 255);
  }

  @Test
  void sixteenBitsUseAllOfThem() {
    // The full range: 0x8000 * 255 / 0xFFFF = 127.502, 0x7F80 * 255 / 0xFFFF = 127.0.
    byte[] file =
        TestImages.png(3, 1, 16, GRAY, false, null, bytes(0, 0x80, 0, 0xFF, 0xFF, 0x7F, 0x80));
    assertImage(decode(file), 3, 1, 128, 255, 127);
    byte[] black = TestImages.png(1, 1, 16, GRAY, false, null, bytes(0, 0, 0));
    assertImage(decode(black), 1, 1, 0);
  }

  @Test
  void largePicturesAreDecodedAfterTheFirstLook() {
    int width = 3600;
    int height = (int) (ImageFile.LARGE_BYTES / 4 / width) + 1;
    byte[] rows = new byte[(1 + 2 * width) * height];
    rows[1] = 0x20;
    rows[rows.length - 2] = 0x40;
    Image image = decode(TestImages.png(width, height, 16, GRAY, false, null, rows));
    assertThat(image.width()).isEqualTo(width);
    assertThat(image.height()).isEqualTo(height);
    // 0x2000 of 0x4000 at the most: 127.5.
    assertThat(image.at(0, 0, 0)).isEqualTo(128);
    assertThat(image.at(0, 0, 1)).isEqualTo(0);
    assertThat(image.at(0, height - 1, width - 1)).isEqualTo(255);
  }

  @Test
  void sixteenBitColorsShareOneScale() {
    byte[] file = TestImages.png(1, 1, 16, RGB, false, null, bytes(0, 0x10, 0, 0x08, 0, 0x04, 0));
    assertImage(decode(file), 1, 1, 255, 128, 64);
  }

  @Test
  void colorPng() {
    byte[] file = TestImages.png(2, 1, 8, RGB, false, null, bytes(0, 1, 2, 3, 4, 5, 6));
    assertImage(decode(file), 2, 1, 1, 4, 2, 5, 3, 6);
  }

  @Test
  void equalChannelsBecomeOne() {
    byte[] file = TestImages.png(2, 1, 8, RGB, false, null, bytes(0, 9, 9, 9, 5, 5, 5));
    assertImage(decode(file), 2, 1, 9, 5);
  }

  @Test
  void paletteIsLookedUp() {
    byte[] palette = bytes(10, 20, 30, 40, 50, 60, 70, 70, 70);
    // Two bits a pixel: 1, 0, 2, 1.
    byte[] file = TestImages.png(4, 1, 2, PALETTE, false, palette, bytes(0, 0b01001001));
    assertImage(decode(file), 4, 1, 40, 10, 70, 40, 50, 20, 70, 50, 60, 30, 70, 60);
    byte[] grays =
        TestImages.png(4, 1, 2, PALETTE, false, bytes(7, 7, 7, 9, 9, 9), bytes(0, 0b01000001));
    assertImage(decode(grays), 4, 1, 9, 7, 7, 9);
  }

  @Test
  void transparencyIsLeftAside() {
    byte[] gray = TestImages.png(2, 1, 8, GRAY_ALPHA, false, null, bytes(0, 100, 0, 200, 255));
    assertImage(decode(gray), 2, 1, 100, 200);
    byte[] color =
        TestImages.png(2, 1, 8, RGB_ALPHA, false, null, bytes(0, 1, 2, 3, 0, 4, 5, 6, 128));
    assertImage(decode(color), 2, 1, 1, 4, 2, 5, 3, 6);
  }

  @Test
  void filtersOfGrayRowsAreUndone() {
    // Row 0, as it is: 10 200 30.
    // Row 1, from the left: 10, 10 + 250 = 260 - 256 = 4, 4 + 5 = 9.
    // Row 2, from above: 1 + 10, 1 + 4, 255 + 9 = 264 - 256 = 8.
    // Row 3, from the mean of both, rounded down: 7 + (0 + 11) / 2 = 12, 0 + (12 + 5) / 2 = 8,
    // 100 + (8 + 8) / 2 = 108.
    // Row 4, from the one nearest to left + above - corner: above in the first column, 1 + 12 = 13;
    // then left 13, above 8, corner 12: 9 is nearest to 8, so 2 + 8 = 10; then left 10, above 108,
    // corner 8: 110 is nearest to 108, so 250 + 108 = 358 - 256 = 102.
    byte[] rows = bytes(0, 10, 200, 30, 1, 10, 250, 5, 2, 1, 1, 255, 3, 7, 0, 100, 4, 1, 2, 250);
    byte[] file = TestImages.png(3, 5, 8, GRAY, false, null, rows);
    assertImage(decode(file), 3, 5, 10, 200, 30, 10, 4, 9, 11, 5, 8, 12, 8, 108, 13, 10, 102);
  }

  @Test
  void filtersOfColorRowsTakeTheSampleOfTheSameChannel() {
    // From the left: 1 2 3, then 1 + 10, 2 + 20, 3 + 30. From the mean of left and above: 0 + 0,
    // 0 + 1, 0 + 1; then 1 + (0 + 11) / 2, 1 + (1 + 22) / 2, 1 + (1 + 33) / 2.
    byte[] rows = bytes(1, 1, 2, 3, 10, 20, 30, 3, 0, 0, 0, 1, 1, 1);
    byte[] file = TestImages.png(2, 2, 8, RGB, false, null, rows);
    assertImage(decode(file), 2, 2, 1, 11, 0, 6, 2, 22, 1, 12, 3, 33, 1, 18);
  }

  @Test
  void filtersThatPngDoesNotDefineAreRefused() {
    byte[] file = TestImages.png(1, 2, 8, GRAY, false, null, bytes(0, 1, 5, 1));
    assertThatThrownBy(() -> decode(file))
        .isInstanceOf(ImageException.class)
        .hasMessage("x: damaged image data (filter 5)");
  }

  @Test
  void interlacedPng() {
    // 3 x 3 in Adam7's order: (0,0); nothing; nothing; (2,0); (0,2) (2,2); (1,0); (1,2); row 1.
    byte[] rows = bytes(0, 1, 0, 3, 0, 7, 9, 0, 2, 0, 8, 0, 4, 5, 6);
    byte[] file = TestImages.png(3, 3, 8, GRAY, true, null, rows);
    assertImage(decode(file), 3, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9);
  }

  @Test
  void metadataIsSkippedUnread() {
    byte[] file = TestImages.png(2, 1, 8, GRAY, false, null, bytes(0, 5, 6));
    // A colour profile and a text that no decoder could read, and gamma, after the header.
    ByteArrayOutputStream with = new ByteArrayOutputStream();
    with.write(file, 0, 33);
    with.writeBytes(TestImages.chunk("iCCP", bytes(1, 0, 0, 255, 255)));
    with.writeBytes(TestImages.chunk("zTXt", bytes(1, 0, 0, 255, 255)));
    with.writeBytes(TestImages.chunk("gAMA", bytes(0, 1, 0, 0)));
    with.write(file, 33, file.length - 33);
    assertImage(decode(with.toByteArray()), 2, 1, 5, 6);
  }

  @Test
  void jpegsAreNearTheirOriginals() {
    BufferedImage gray = TestImages.gray(60, 44);
    Image baseline = decode(TestImages.jpeg(gray, false));
    Image progressive = decode(TestImages.jpeg(gray, true));
    assertThat(baseline.channels()).isEqualTo(1);
    assertThat(baseline.width()).isEqualTo(60);
    assertThat(baseline.height()).isEqualTo(44);
    assertThat(progressive.pixels()).isEqualTo(baseline.pixels());
    for (int y = 0; y < 44; y++) {
      for (int x = 0; x < 60; x++) {
        assertThat(Math.abs(baseline.at(0, y, x) - gray.getRaster().getSample(x, y, 0)))
            .isLessThanOrEqualTo(8);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void colorJpegsAreColorWithOrWithoutMarkers(boolean halfChroma) {
    BufferedImage color = new BufferedImage(16, 16, BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < 256; i++) {
      color.setRGB(i % 16, i / 16, 0xC86432);
    }
    byte[] jfif = halfChroma ? TestImages.jpeg(color, false) : TestImages.jpegOfFullChroma(color);
    assertThat(new String(jfif, 6, 4, StandardCharsets.ISO_8859_1)).isEqualTo("JFIF");
    int app0 = 2 + (jfif[4] << 8 | jfif[5] & 0xFF);
    byte[] bare = jfif.clone();
    System.arraycopy(jfif, 2 + app0, bare, 2, jfif.length - 2 - app0);
    for (byte[] file : new byte[][] {jfif, Arrays.copyOf(bare, jfif.length - app0)}) {
      Image image = decode(file);
      assertThat(image.channels()).isEqualTo(3);
      assertThat(image.at(0, 8, 8)).isBetween(197, 203);
      assertThat(image.at(1, 8, 8)).isBetween(97, 103);
      assertThat(image.at(2, 8, 8)).isBetween(47, 53);
    }
  }

  @Test
  void adobesMarkerTellsRgbFromLumaAndChroma() {
    BufferedImage color = new BufferedImage(16, 16, BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < 256; i++) {
      color.setRGB(i % 16, i / 16, 0xC86432);
    }
    byte[] jfif = TestImages.jpegOfFullChroma(color);
    int rest = 4 + (jfif[4] << 8 | jfif[5] & 0xFF);
    ByteArrayOutputStream rgb = new ByteArrayOutputStream();
    rgb.writeBytes(bytes(0xFF, 0xD8, 0xFF, 0xEE, 0, 14, 'A', 'd', 'o', 'b', 'e'));
    rgb.writeBytes(bytes(0, 100, 0, 0, 0, 0, 0));
    rgb.write(jfif, rest, jfif.length - rest);
    // The components of 200, 100, 50 as they are: luma .299 * 200 + .587 * 100 + .114 * 50 = 124,
    // 128 + (50 - 124) * .564 = 86 and 128 + (200 - 124) * .713 = 182.
    Image image = decode(rgb.toByteArray());
    assertThat(image.at(0, 8, 8)).isBetween(121, 127);
    assertThat(image.at(1, 8, 8)).isBetween(83, 89);
    assertThat(image.at(2, 8, 8)).isBetween(179, 185);
  }

  @Test
  void wrongKindsOfFileSayWhatTheyAre(@TempDir Path folder) throws Exception {
    Path text = Files.writeString(folder.resolve("a.png"), "patient,finding\n1,2\n");
    assertThatThrownBy(() -> ImageDecoder.read(text))
        .isInstanceOf(ImageException.class)
        .hasMessage(
            text
                + ": not a JPEG, PNG or DICOM file: it looks like text, starting 'patient,finding"
                + " '");
    Path empty = Files.createFile(folder.resolve("b.png"));
    assertThatThrownBy(() -> ImageDecoder.read(empty))
        .isInstanceOf(ImageException.class)
        .hasMessage(empty + ": empty file");
    Path absent = folder.resolve("c.png");
    assertThatThrownBy(() -> ImageDecoder.read(absent))
        .isInstanceOf(ImageException.class)
        .hasMessage(absent + ": no such file");
    assertThatThrownBy(() -> ImageDecoder.read(folder))
        .isInstanceOf(ImageException.class)
        .hasMessage(folder + ": not a file");
    assertThatThrownBy(() -> decode(bytes(0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0, 255)))
        .hasMessage(
            "x: not a JPEG, PNG or DICOM file: it starts with the bytes 47 49 46 38 39 61 00 ff");
  }

  @Test
  void absurdDimensionsAreRefusedFromTheHeader() {
    for (int[] size : new int[][] {{100_000, 100_000}, {-1, 1}, {0, 5}, {1 << 26, 2}}) {
      byte[] file = TestImages.png(size[0], size[1], 8, GRAY, false, null, bytes(0, 0));
      assertThatThrownBy(() -> decode(file))
          .isInstanceOf(ImageException.class)
          .hasMessageContaining("header claims " + Integer.toUnsignedString(size[0]) + " x ");
    }
  }

  @Test
  void dimensionsThatTheFileCannotHoldAreRefused() {
    byte[] png = TestImages.png(8000, 8000, 8, GRAY, false, null, bytes(0, 0));
    assertThatThrownBy(() -> decode(png))
        .isInstanceOf(ImageException.class)
        .hasMessageContaining("8000 x 8000")
        .hasMessageContaining("can hold");
    byte[] jpeg = TestImages.jpeg(TestImages.gray(64, 64), false);
    int frame = TestImages.indexOf(jpeg, 0xC0);
    jpeg[frame + 4] = 0x1F;
    jpeg[frame + 6] = 0x1F;
    assertThatThrownBy(() -> decode(jpeg))
        .isInstanceOf(ImageException.class)
        .hasMessageContaining("can hold");
  }

  @Test
  void truncatedFilesAreRefusedAtEveryLength() {
    byte[] png = TestImages.grayPng(20, 20);
    byte[] jpeg = TestImages.jpeg(TestImages.gray(20, 20), true);
    for (byte[] file : new byte[][] {png, jpeg}) {
      for (int length = 10; length < file.length; length++) {
        byte[] cut = Arrays.copyOf(file, length);
        assertThatThrownBy(() -> decode(cut))
            .isInstanceOf(ImageException.class)
            .hasMessageContaining("truncated");
      }
    }
  }

  @Test
  void missingRowsAreRefused() {
    // Whole files, but the pixels end early.
    byte[] png = TestImages.png(4, 4, 8, GRAY, false, null, bytes(0, 1, 2, 3, 4, 0, 1, 2));
    assertThatThrownBy(() -> decode(png))
        .isInstanceOf(ImageException.class)
        .hasMessageContaining("damaged image data");
    byte[] jpeg = TestImages.jpeg(TestImages.gray(64, 64), false);
    byte[] cut = Arrays.copyOf(jpeg, jpeg.length - 100);
    cut[cut.length - 2] = (byte) 0xFF;
    cut[cut.length - 1] = (byte) 0xD9;
    assertThatThrownBy(() -> decode(cut))
        .isInstanceOf(ImageException.class)
        .hasMessageContaining("damaged image data");
  }

  @Test
  void wrongChecksumsAreRefused() {
    byte[] png = TestImages.grayPng(20, 20);
    // The last byte of the header's checksum.
    png[32] ^= 1;
    assertThatThrownBy(() -> decode(png))
        .isInstanceOf(ImageException.class)
        .hasMessage("x: damaged PNG: the checksum of its IHDR chunk at byte 8 is wrong");
  }

  @Test
  void otherKindsOfJpegAreNamed() {
    byte[] cmyk = jpegHeader(0xC0, 8, 4);
    assertThatThrownBy(() -> decode(cmyk)).hasMessageContaining("CMYK");
    assertThatThrownBy(() -> decode(jpegHeader(0xC0, 8, 2))).hasMessageContaining("2 components");
    assertThatThrownBy(() -> decode(jpegHeader(0xC0, 12, 1)))
        .hasMessageContaining("12 bits a sample");
    assertThatThrownBy(() -> decode(jpegHeader(0xC3, 8, 1))).hasMessageContaining("SOF3");
    assertThatThrownBy(() -> decode(jpegHeader(0xC9, 8, 1))).hasMessageContaining("SOF9");
  }

  private static byte[] jpegHeader(int process, int bits, int components) {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    file.writeBytes(bytes(0xFF, 0xD8, 0xFF, process, 0, 8 + 3 * components, bits));
    file.writeBytes(bytes(0, 8, 0, 8, components));
    for (int c = 1; c <= components; c++) {
      file.writeBytes(bytes(c, 0x11, 0));
    }
    file.writeBytes(bytes(0xFF, 0xD9));
    return file.toByteArray();
  }
}
