// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import static io.github.lorikeet.vision.image.TestImages.bytes;
import static io.github.lorikeet.vision.image.TestImages.values;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.vision.image.RandAugment.Operation;
import java.util.Arrays;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Each of RandAugment's operations at magnitude 9, by hand and beside Pillow. */
class PillowOperationsTest {
  private static final int FILL = 122;

  private static int[] at(Operation operation, double sign, int width, int... levels) {
    Image image = new Image(width, levels.length / width, 1, bytes(levels));
    return values(RandAugment.apply(operation, image, 0.9, sign, FILL));
  }

  @Test
  void autoContrastStretchesToTheWholeRange() {
    // 10 to 12 become 0 to 255: scale 127.5, so that 11 is 127.5, rounded down.
    assertThat(at(Operation.AUTO_CONTRAST, 1, 3, 10, 12, 11)).containsExactly(0, 255, 127);
    assertThat(at(Operation.AUTO_CONTRAST, 1, 2, 7, 7)).containsExactly(7, 7);
  }

  @Test
  void equalizeSpreadsLevelsByHowFrequentTheyAre() {
    // 255 pixels of 100, 255 of 150 and 2 of 200. All but the last level's make steps of
    // 510 / 255 = 2. Starting from half a step: 1 / 2 = 0, (1 + 255) / 2 = 128, (1 + 510) / 2 =
    // 255.
    int[] levels = new int[512];
    Arrays.fill(levels, 0, 255, 100);
    Arrays.fill(levels, 255, 510, 150);
    Arrays.fill(levels, 510, 512, 200);
    int[] equalized = at(Operation.EQUALIZE, 1, 32, levels);
    assertThat(Arrays.copyOf(equalized, 255)).containsOnly(0);
    assertThat(Arrays.copyOfRange(equalized, 255, 510)).containsOnly(128);
    assertThat(Arrays.copyOfRange(equalized, 510, 512)).containsOnly(255);
    // Fewer than 255 pixels beside the last level: no step, nothing changes.
    assertThat(at(Operation.EQUALIZE, 1, 3, 1, 2, 3)).containsExactly(1, 2, 3);
  }

  @Test
  void tablesOfLevels() {
    assertThat(at(Operation.INVERT, 1, 3, 0, 100, 255)).containsExactly(255, 155, 0);
    // 4 - int(.9 * 4) = 1 bit is kept.
    assertThat(at(Operation.POSTERIZE, 1, 4, 0, 127, 128, 255)).containsExactly(0, 0, 128, 128);
    // Inverted from 256 - int(.9 * 256) = 26 on.
    assertThat(at(Operation.SOLARIZE, 1, 4, 0, 25, 26, 255)).containsExactly(0, 25, 229, 0);
    // int(.9 * 110) = 99 more below 128.
    assertThat(at(Operation.SOLARIZE_ADD, 1, 3, 0, 127, 128)).containsExactly(99, 226, 128);
  }

  @Test
  void enhancementsBlendInSinglePrecisionAndRoundDown() {
    // Factor 1 - .81 = .19, a little less as a float. 100 * .18999999761 = 18.999999761, and the
    // float nearest to that is 19.
    assertThat(at(Operation.BRIGHTNESS, -1, 1, 100)).containsExactly(19);
    // 1.81 * 100 = 181; 1.81 * 200 = 362 is cut off.
    assertThat(at(Operation.BRIGHTNESS, 1, 2, 100, 200)).containsExactly(181, 255);
    // The mean of 25.25 is 25. 25 - 1.81 * 15 < 0; 25 - 1.81 * 5 = 15.95; 25 + 1.81 * 5 = 34.05;
    // 25 + 1.81 * 16 = 53.96.
    assertThat(at(Operation.CONTRAST, 1, 4, 10, 20, 30, 41)).containsExactly(0, 15, 34, 53);
  }

  @Test
  void sharpnessLeavesTheRimAndBlendsWithTheSmoothMiddle() {
    // Smooth: (5 * 100 + 8 * 9) / 13 = 44. 44 + .19 * 56 = 54.64; 44 + 1.81 * 56 = 145.36.
    int[] square = {9, 9, 9, 9, 100, 9, 9, 9, 9};
    assertThat(at(Operation.SHARPNESS, -1, 3, square)).containsExactly(9, 9, 9, 9, 54, 9, 9, 9, 9);
    assertThat(at(Operation.SHARPNESS, 1, 3, square)).containsExactly(9, 9, 9, 9, 145, 9, 9, 9, 9);
    assertThat(at(Operation.SHARPNESS, 1, 2, 1, 2, 3, 4)).containsExactly(1, 2, 3, 4);
  }

  @Test
  void colorMovesAwayFromGrey() {
    // Grey: (200 * 19595 + 100 * 38470 + 50 * 7471 + 32768) / 65536 = 124. 124 + 1.81 * 76 > 255;
    // 124 - 1.81 * 24 = 80.56; 124 - 1.81 * 74 < 0.
    Image pixel = new Image(1, 1, 3, bytes(200, 100, 50));
    assertThat(values(RandAugment.apply(Operation.COLOR, pixel, 0.9, 1, FILL)))
        .containsExactly(255, 80, 0);
    assertThat(at(Operation.COLOR, 1, 2, 3, 250)).containsExactly(3, 250);
  }

  @Test
  void wholePixelsMoveUnchangedAndHalvesByTheCubic() {
    Image row = new Image(4, 1, 1, bytes(0, 100, 0, 0));
    assertThat(values(PillowAffine.translateX(row, 1, FILL))).containsExactly(100, 0, 0, FILL);
    assertThat(values(PillowAffine.translateX(row, -2, FILL))).containsExactly(FILL, FILL, 0, 100);
    // Half a pixel: weights -1/8, 5/8, 5/8, -1/8, beyond the ends the last pixel again. 62.5 is
    // rounded down, and what would be below 0 is 0. The last takes its value from the right edge.
    assertThat(values(PillowAffine.translateX(row, 0.5, FILL))).containsExactly(62, 62, 0, FILL);
    Image column = new Image(1, 4, 1, bytes(0, 100, 0, 0));
    assertThat(values(PillowAffine.translateY(column, 0.5, FILL))).containsExactly(62, 62, 0, FILL);
    assertThat(values(PillowAffine.rotate(row, 0, FILL))).containsExactly(0, 100, 0, 0);
  }

  /**
   * CRC-32 of what Pillow 12.3.0 makes of an image of pixels (7 x² + 31 y + 3 x y + 90 c) mod 256,
   * 23 x 17, c = 0 (and 0 to 2, planes one after the other):
   *
   * <pre>
   * move = lambda *m: image.transform(image.size, Image.AFFINE, m, Image.BICUBIC, fillcolor=fill)
   * ImageOps.equalize(image)                       image.rotate(-27, Image.BICUBIC, fillcolor=fill)
   * ImageEnhance.Color(image).enhance(1.81)        ImageEnhance.Contrast(image).enhance(1.81)
   * ImageEnhance.Brightness(image).enhance(0.19)   ImageEnhance.Sharpness(image).enhance(1.81)
   * move(1, 0.27, 0, 0, 1, 0)                      move(1, 0, 0, -0.27, 1, 0)
   * move(1, 0, 0.405 * 23, 0, 1, 0)                move(1, 0, 0, 0, 1, -0.405 * 17)
   * </pre>
   */
  @ParameterizedTest
  @CsvSource({
    "EQUALIZE, 1, 4f185a08, 93f99de1",
    "ROTATE, -1, 41de5a14, 60cc0235",
    "COLOR, 1, fe733bd3, f6454619",
    "CONTRAST, 1, 9a31ebaa, 3fa27aaf",
    "BRIGHTNESS, -1, 4b561288, c4e550ea",
    "SHARPNESS, 1, eef68c7c, 7f30802e",
    "SHEAR_X, 1, 35ceffbc, 299ed3df",
    "SHEAR_Y, -1, 9b72698e, fd987dfe",
    "TRANSLATE_X, 1, ea936e9c, 9940fd44",
    "TRANSLATE_Y, -1, fee37921, 43650b8d",
  })
  void bitsArePillows(Operation operation, double sign, String gray, String color) {
    assertThat(crc(operation, sign, 1)).isEqualTo(gray);
    assertThat(crc(operation, sign, 3)).isEqualTo(color);
  }

  private static String crc(Operation operation, double sign, int channels) {
    byte[] pixels = new byte[channels * 17 * 23];
    for (int i = 0; i < pixels.length; i++) {
      int x = i % 23;
      int y = i / 23 % 17;
      pixels[i] = (byte) (x * x * 7 + y * 31 + x * y * 3 + i / (17 * 23) * 90);
    }
    Image image = new Image(23, 17, channels, pixels);
    CRC32 sum = new CRC32();
    sum.update(RandAugment.apply(operation, image, 0.9, sign, FILL).pixels());
    return "%08x".formatted(sum.getValue());
  }
}
