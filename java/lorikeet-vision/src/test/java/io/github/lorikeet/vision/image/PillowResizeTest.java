// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import static io.github.lorikeet.vision.image.TestImages.bytes;
import static io.github.lorikeet.vision.image.TestImages.values;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/**
 * Expectations are worked by hand. The cubic with a = -0.5 is w(d) = 1.5 d^3 - 2.5 d^2 + 1 below 1
 * and -0.5 d^3 + 2.5 d^2 - 4 d + 2 from there to 2, so that w(0.25) = 0.8671875, w(0.75) =
 * 0.2265625 and w(1.25) = -0.0703125.
 */
class PillowResizeTest {

  @Test
  void shrinkingWidensTheFilter() {
    // 4 to 2: the first target's centre is 1; source centres 0.5, 1.5, 2.5, 3.5 are 0.5, 0.5, 1.5
    // and 2.5 away, half of that after widening by 2. Weights sum to 1.890625.
    // (10 * .8671875 + 20 * .8671875 + 30 * .2265625 - 40 * .0703125) / 1.890625 = 15.87;
    // the second target mirrors it: 50 - 15.87.
    Image source = new Image(4, 1, 1, bytes(10, 20, 30, 40));
    assertThat(values(PillowResize.bicubic(source, 2, 1))).containsExactly(16, 34);
  }

  @Test
  void enlargingInterpolates() {
    // 2 to 4: the first target's centre is 0.25, source centres 0.25 and 1.25 away:
    // (100 * .8671875 - 200 * .0703125) / .796875 = 91.18; the second's is 0.75, sources 0.25 and
    // 0.75 away: (100 * .8671875 + 200 * .2265625) / 1.09375 = 120.71; the others mirror them.
    Image source = new Image(1, 2, 1, bytes(100, 200));
    assertThat(values(PillowResize.bicubic(source, 1, 4))).containsExactly(91, 121, 179, 209);
  }

  @Test
  void overshootIsCutOff() {
    // As above with 0 and 255: -22.5, 52.8, 202.2 and 277.5.
    Image source = new Image(2, 1, 1, bytes(0, 255));
    assertThat(values(PillowResize.bicubic(source, 4, 1))).containsExactly(0, 53, 202, 255);
  }

  @Test
  void rowsAreRoundedBeforeColumns() {
    // The rows become 91 121 179 209 and 0 0 0 0; the first target row is
    // .8671875 / .796875 = 1.0882353 times the first: 99.03, 131.68, 194.79, 227.44. Without
    // rounding in between, the second would be 120.714 * 1.0882 = 131.37 and give 131.
    Image source = new Image(2, 2, 1, bytes(100, 200, 0, 0));
    int[] first = Arrays.copyOf(values(PillowResize.bicubic(source, 4, 4)), 4);
    assertThat(first).containsExactly(99, 132, 195, 227);
  }

  @Test
  void planesAreResizedApart() {
    Image source = new Image(2, 1, 3, bytes(100, 200, 0, 255, 7, 7));
    assertThat(values(PillowResize.bicubic(source, 4, 1)))
        .containsExactly(91, 121, 179, 209, 0, 53, 202, 255, 7, 7, 7, 7);
  }

  @Test
  void aRegionSeesNothingAroundIt() {
    Image source = new Image(4, 3, 1, bytes(9, 9, 9, 9, 255, 100, 200, 255, 9, 9, 9, 9));
    assertThat(values(PillowResize.bicubic(source, new Crop(1, 1, 2, 1), 4, 1)))
        .containsExactly(91, 121, 179, 209);
  }

  @Test
  void oneColorStaysThatColorAtAnySize() {
    byte[] pixels = new byte[17 * 31];
    Arrays.fill(pixels, (byte) 203);
    Image source = new Image(17, 31, 1, pixels);
    for (int size : new int[] {1, 2, 5, 16, 17, 18, 40, 200}) {
      assertThat(values(PillowResize.bicubic(source, size, 2 * size))).containsOnly(203);
    }
  }

  @Test
  void theSameSizeChangesNothing() {
    Image source = new Image(2, 2, 1, bytes(1, 2, 3, 4));
    assertThat(PillowResize.bicubic(source, 2, 2)).isSameAs(source);
  }

  @Test
  void refusesEmptyTargetsAndRegionsOutside() {
    Image source = new Image(2, 2, 1, bytes(1, 2, 3, 4));
    assertThatThrownBy(() -> PillowResize.bicubic(source, 0, 2))
        .hasMessage("resize to 0 x 2: expected at least 1 x 1");
    assertThatThrownBy(() -> PillowResize.bicubic(source, new Crop(1, 0, 2, 1), 2, 2))
        .hasMessageContaining("expected a rectangle inside 2 x 2");
  }
}
