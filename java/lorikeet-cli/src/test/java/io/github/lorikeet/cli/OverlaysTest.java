// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.vision.image.Image;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class OverlaysTest {
  private static int[] color(byte[] colors, int x, int y) {
    int at = 3 * (y * 8 + x);
    return new int[] {colors[at] & 0xFF, colors[at + 1] & 0xFF, colors[at + 2] & 0xFF};
  }

  /**
   * Two by two patches of four pixels. The coldest, at the upper left, stays grey 100. The hottest,
   * at the lower right, is 40 % of grey 100 and 60 % of yellow (255, 255, 0): 193, 193, 40. A heat
   * of a half, at the other two, covers 30 % by red (255, 0, 0): 147 (146.5), 70, 70.
   */
  @Test
  void theLeastStaysGreyAndTheMostTurnsYellow() {
    byte[] grey = new byte[64];
    Arrays.fill(grey, (byte) 100);
    byte[] colors = Overlays.overlay(new Image(8, 8, 1, grey), new double[] {.1, .2, .2, .3});
    assertThat(color(colors, 0, 0)).containsExactly(100, 100, 100);
    assertThat(color(colors, 7, 7)).containsExactly(193, 193, 40);
    assertThat(color(colors, 7, 0)).containsExactly(147, 70, 70);
    assertThat(color(colors, 0, 7)).containsExactly(147, 70, 70);
  }

  @Test
  void anEvenMapShowsThePicture() {
    byte[] grey = new byte[64];
    Arrays.fill(grey, (byte) 77);
    byte[] colors = Overlays.overlay(new Image(8, 8, 1, grey), new double[] {.5, .5, .5, .5});
    assertThat(colors).containsOnly(77);
  }
}
