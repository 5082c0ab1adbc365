// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import static io.github.lorikeet.vision.image.TestImages.bytes;
import static io.github.lorikeet.vision.image.TestImages.values;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.vision.image.CounterRandom.Purpose;
import java.util.EnumSet;
import org.junit.jupiter.api.Test;

class AugmentTest {
  private static final int DRAWS = 20_000;

  private static Crop crop(Augment augment, Image image, int index) {
    return augment.randomCrop(image, new CounterRandom(7, 0, index, Purpose.CROP));
  }

  @Test
  void cropsStayInsideTheImageAndTheirLimits() {
    Image image = new Image(300, 256, 1, new byte[300 * 256]);
    Augment augment = Augment.sgd(224);
    double areas = 0;
    double logRatios = 0;
    int leftHalf = 0;
    int upperHalf = 0;
    EnumSet<Edge> touched = EnumSet.noneOf(Edge.class);
    for (int i = 0; i < DRAWS; i++) {
      Crop crop = crop(augment, image, i);
      crop.checkInside(image);
      double area = crop.width() * crop.height() / (300.0 * 256);
      double ratio = (double) crop.width() / crop.height();
      // Sides are rounded to whole pixels: about one in 60 at the smallest.
      assertThat(area).isBetween(0.08 * 0.97, 1.0);
      assertThat(ratio).isBetween(0.75 * 0.98, 4 / 3.0 * 1.02);
      areas += area;
      logRatios += Math.log(ratio);
      leftHalf += 2 * crop.left() < image.width() - crop.width() ? 1 : 0;
      upperHalf += 2 * crop.top() < image.height() - crop.height() ? 1 : 0;
      touched.addAll(Edge.of(crop, image.width(), image.height()));
    }
    // Near .54 would be the mean area if all shapes fitted; big, far from square ones do not.
    assertThat(areas / DRAWS).isBetween(0.45, 0.54);
    assertThat(logRatios / DRAWS).isCloseTo(0, within(0.03));
    assertThat(leftHalf / (double) DRAWS).isCloseTo(0.5, within(0.02));
    assertThat(upperHalf / (double) DRAWS).isCloseTo(0.5, within(0.02));
    assertThat(touched).containsExactly(Edge.values());
  }

  @Test
  void fittingAreasAndRatiosAreUniform() {
    // Crops of at most a quarter of a square image all fit: their area is uniform, and so is the
    // logarithm of their ratio.
    Image image = new Image(1000, 1000, 1, new byte[1_000_000]);
    Augment augment = Augment.sgd(224).withScale(0.05, 0.25);
    int[] areas = new int[4];
    int[] ratios = new int[4];
    for (int i = 0; i < DRAWS; i++) {
      Crop crop = crop(augment, image, i);
      double area = crop.width() * crop.height() / 1e6;
      double ratio = Math.log((double) crop.width() / crop.height()) / Math.log(4 / 3.0);
      areas[Math.clamp((int) ((area - 0.05) / 0.05), 0, 3)]++;
      ratios[Math.clamp((int) ((ratio + 1) * 2), 0, 3)]++;
    }
    // A quarter each, with a standard deviation of 61.
    assertThat(areas)
        .satisfies(
            a -> {
              for (int count : a) {
                assertThat(count).isBetween(DRAWS / 4 - 300, DRAWS / 4 + 300);
              }
            });
    assertThat(ratios)
        .satisfies(
            r -> {
              for (int count : r) {
                assertThat(count).isBetween(DRAWS / 4 - 300, DRAWS / 4 + 300);
              }
            });
  }

  @Test
  void shapesThatNeverFitFallBackToTheMiddle() {
    Augment augment = Augment.sgd(8).withScale(0.9, 1);
    // 90 % of 10 x 100 at a ratio from 3/4 is at least 26 wide. The largest central crop of ratio
    // 3/4 is 10 x round(13.33), its top at (100 - 13) / 2 rounded down.
    assertThat(crop(augment, new Image(10, 100, 1, new byte[1000]), 0))
        .isEqualTo(new Crop(0, 43, 10, 13));
    assertThat(crop(augment, new Image(100, 10, 1, new byte[1000]), 0))
        .isEqualTo(new Crop(43, 0, 13, 10));
    // An allowed ratio whose whole area fits in hardly any draw: the whole image.
    Augment whole = new Augment(8, 1, 1, 0.5, 0.9, 0);
    assertThat(crop(whole, new Image(89, 100, 1, new byte[8900]), 0))
        .isEqualTo(new Crop(0, 0, 89, 100));
  }

  @Test
  void onePixelCanBeCropped() {
    Image view = Augment.sgd(4).view(new Image(1, 1, 1, bytes(9)), 1, 2, 3);
    assertThat(values(view)).hasSize(16).containsOnly(9);
  }

  @Test
  void halfOfTheViewsAreMirrored() {
    Augment whole = new Augment(2, 1, 1, 1, 1, 0.5);
    Image image = new Image(2, 2, 1, bytes(1, 2, 3, 4));
    int mirrored = 0;
    for (int i = 0; i < DRAWS; i++) {
      int[] view = values(whole.view(image, 3, 1, i));
      if (view[0] == 2) {
        assertThat(view).containsExactly(2, 1, 4, 3);
        mirrored++;
      } else {
        assertThat(view).containsExactly(1, 2, 3, 4);
      }
    }
    assertThat(mirrored).isBetween(DRAWS / 2 - 300, DRAWS / 2 + 300);
  }

  @Test
  void viewsDependOnSeedEpochAndIndexAlone() {
    byte[] pixels = new byte[64 * 64];
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = (byte) (i % 64 + i / 64 * 2);
    }
    Image image = new Image(64, 64, 1, pixels);
    Augment augment = Augment.sgd(16);
    byte[] view = augment.view(image, 1, 2, 3).pixels();
    assertThat(augment.view(image, 1, 2, 3).pixels()).isEqualTo(view);
    assertThat(augment.view(image, 2, 2, 3).pixels()).isNotEqualTo(view);
    assertThat(augment.view(image, 1L << 32 | 1, 2, 3).pixels()).isNotEqualTo(view);
    assertThat(augment.view(image, 1, 3, 3).pixels()).isNotEqualTo(view);
    assertThat(augment.view(image, 1, 2, 4).pixels()).isNotEqualTo(view);
  }

  /** Crop and flip, RandAugment of the colours, then grey, normalised, and erased last of all. */
  @Test
  void preparesInTheStudysOrder() {
    byte[] pixels = new byte[3 * 40 * 40];
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = (byte) (i * (i / 1600 + 3) % 201);
    }
    Image image = new Image(40, 40, 3, pixels);
    Preprocess preprocess = Preprocess.cxrMae(32);
    Augment plain = Augment.sgd(32);
    RandAugment both = new RandAugment(2, 1, 9, 0.5);
    int erased = 0;
    for (int index = 0; index < 20; index++) {
      CounterRandom random = new CounterRandom(1, 2, index, Purpose.RAND_AUGMENT);
      // .299 * 255 * .4785 = 36.48: the grey of the red (122, 0, 0) moves in from outside.
      Image expected = both.apply(plain.view(image, 1, 2, index), 36, random).gray();
      float[] actual = new float[32 * 32];
      plain.with(both).withErase(0.5).prepare(image, preprocess, 1, 2, index, actual);
      int different = 0;
      for (int i = 0; i < actual.length; i++) {
        float value = ((expected.pixels()[i] & 0xFF) / 255f - 0.4785f) / 0.2834f;
        different += actual[i] == value ? 0 : 1;
      }
      // Erased are 2 % to a third.
      assertThat(different).isLessThan(actual.length * 35 / 100);
      erased += different > 0 ? 1 : 0;
    }
    assertThat(erased).isBetween(4, 16);
  }

  @Test
  void refusesImpossibleLimits() {
    assertThatThrownBy(() -> Augment.sgd(224).withScale(0, 1))
        .hasMessage("crop scale 0.0 to 1.0: expected 0 < from <= to <= 1");
    assertThatThrownBy(() -> new Augment(224, 0.1, 1, 2, 1, 0.5))
        .hasMessage("crop ratio 2.0 to 1.0: expected 0 < from <= to");
    assertThatThrownBy(() -> new Augment(224, 0.1, 1, 1, 1, Double.NaN))
        .hasMessage("flip probability NaN: expected 0 to 1");
    assertThatThrownBy(() -> Augment.sgd(224).withErase(2))
        .hasMessage("erase probability 2.0: expected 0 to 1");
    assertThatThrownBy(() -> Augment.sgd(0)).hasMessageContaining("expected at least 1");
  }
}
