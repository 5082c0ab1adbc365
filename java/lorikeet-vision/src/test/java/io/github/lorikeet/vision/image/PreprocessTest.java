// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import static io.github.lorikeet.vision.image.TestImages.bytes;
import static io.github.lorikeet.vision.image.TestImages.values;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.vision.Goldens;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PreprocessTest {

  @ParameterizedTest
  @ValueSource(strings = {"mrm", "cxr-mae"})
  void sampleRadiographsEqualPillows(String recipe) {
    compare(recipe, Goldens.images(recipe), TestImages::radiograph);
  }

  @ParameterizedTest
  @ValueSource(strings = {"mrm", "cxr-mae"})
  void allGoldenRadiographsEqualPillows(String recipe) {
    compare(recipe, Goldens.allImages(recipe), Goldens::radiograph);
  }

  private static void compare(
      String recipe, Map<String, byte[]> expected, Function<String, Path> file) {
    assertThat(expected).isNotEmpty();
    Preprocess preprocess = Preprocess.named(recipe, 224);
    expected.forEach(
        (name, pixels) -> {
          Image prepared = preprocess.centered(ImageDecoder.read(file.apply(name)));
          assertThat(prepared.channels()).isEqualTo(1);
          assertThat(prepared.pixels()).as(name).isEqualTo(pixels);
        });
  }

  @ParameterizedTest
  @CsvSource({"224, 224, 256", "128, 128, 146", "225, 225, 225", "448, 448, 448", "160, 160, 182"})
  void recipesKnowTheirShorterSide(int size, int mrm, int cxrMae) {
    assertThat(Preprocess.mrm(size).shorterSide()).isEqualTo(mrm);
    assertThat(Preprocess.cxrMae(size).shorterSide()).isEqualTo(cxrMae);
  }

  @Test
  void theLongerSideIsRoundedDownAndItsMiddleCutOut() {
    // 3 x 5 to a shorter side of 3 stays 3 x 5, whose middle 3 x 3 starts at row 1.
    byte[] pixels = bytes(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14);
    Preprocess three = new Preprocess(3, 3, 0.5f, 0.5f);
    assertThat(values(three.centered(new Image(3, 5, 1, pixels))))
        .containsExactly(3, 4, 5, 6, 7, 8, 9, 10, 11);
    // 5 x 3 to a shorter side of 2: 2 * 5 / 3 = 3.33, so 3 x 2, not 4 x 2.
    Image wide = new Image(5, 3, 1, pixels);
    Image whole = PillowResize.bicubic(wide, 3, 2);
    assertThat(values(new Preprocess(2, 2, 0.5f, 0.5f).centered(wide)))
        .containsExactly(values(whole.crop(new Crop(0, 0, 2, 2))));
  }

  @ParameterizedTest
  @CsvSource({"10, 0", "9, 0", "8, 1", "7, 2", "6, 2", "5, 2", "4, 3", "3, 4"})
  void oddMarginsAreHalvedToEven(int size, int left) {
    // Python's round() in torchvision: 0.5 to 0, 1.5 and 2.5 to 2, 3.5 to 4.
    Image image = new Image(10, 10, 1, new byte[100]);
    assertThat(Crop.center(image, size, size)).isEqualTo(new Crop(left, left, size, size));
  }

  @Test
  void normalizesInFloat32() {
    Preprocess mrm = Preprocess.mrm(1);
    float[] out = new float[1];
    for (int level : new int[] {0, 127, 255}) {
      mrm.normalize(new Image(1, 1, 1, bytes(level)), out);
      assertThat(out[0]).isEqualTo((level / 255f - 0.4978f) / 0.2449f);
    }
  }

  @Test
  void colorBecomesPillowsLuma() {
    // (299 red + 587 green + 114 blue) / 1000 in 16-bit integers: 76.2, 149.7, 29.1; white stays.
    Image colors = new Image(4, 1, 3, bytes(255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255));
    assertThat(values(colors.gray())).containsExactly(76, 150, 29, 255);
    for (int level = 0; level < 256; level++) {
      assertThat(values(new Image(1, 1, 3, bytes(level, level, level)).gray()))
          .containsExactly(level);
    }
  }

  @Test
  void refusesWhatItCannotPrepare() {
    assertThatThrownBy(() -> Preprocess.named("imagenet", 224))
        .hasMessage("recipe 'imagenet': expected mrm or cxr-mae");
    assertThatThrownBy(() -> Preprocess.mrm(0)).hasMessageContaining("1 <= size");
    assertThatThrownBy(() -> new Preprocess(4, 4, 0.5f, 0)).hasMessageContaining("deviation > 0");
    Image line = new Image(1, 60_000, 1, new byte[60_000]);
    assertThatThrownBy(() -> Preprocess.mrm(224).centered(line))
        .isInstanceOf(ImageException.class)
        .hasMessageContaining("1 x 60000 would become 224 x 13440000");
    assertThatThrownBy(
            () -> Preprocess.mrm(2).normalize(new Image(2, 1, 1, bytes(1, 2)), new float[4]))
        .hasMessage("image of 2 x 1 into 4 floats: expected 2 x 2 into 4");
  }
}
