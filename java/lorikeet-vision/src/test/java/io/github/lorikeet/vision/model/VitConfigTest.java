// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.vision.model.MaskedAutoencoder.Decoder;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class VitConfigTest {
  private static void isWrong(String message, ThrowingCallable made) {
    assertThatThrownBy(made).isInstanceOf(IllegalArgumentException.class).hasMessage(message);
  }

  private static VitConfig config(int imageSize, int patch, int width, int depth, int heads) {
    return new VitConfig(imageSize, patch, 3, width, depth, heads, 4 * width, true);
  }

  @Test
  void sizesThatNoModelHasAreRefused() {
    isWrong("image size 80000: expected 1 to 16384", () -> config(80000, 16, 64, 1, 1));
    isWrong("image size 0: expected 1 to 16384", () -> config(0, 16, 64, 1, 1));
    isWrong(
        "image size 20: expected a multiple of the patch size 16", () -> config(20, 16, 64, 1, 1));
    isWrong(
        "image size 8192: 512 patches a side, at most 256 supported",
        () -> config(8192, 16, 64, 1, 1));
    isWrong("patch -16: expected 1 to 256", () -> config(32, -16, 64, 1, 1));
    isWrong("width 6400000: expected 1 to 8192", () -> config(32, 16, 6400000, 1, 1));
    isWrong("depth 0: expected 1 to 1024", () -> config(32, 16, 64, 0, 1));
    isWrong("depth 100000000: expected 1 to 1024", () -> config(32, 16, 64, 100000000, 1));
    isWrong("heads -1: expected a divisor of the width 64", () -> config(32, 16, 64, 1, -1));
  }

  @Test
  void aDecoderOfNoSizeIsRefused() {
    isWrong("decoder depth 0: expected 1 to 1024", () -> new Decoder(32, 0, 2));
    isWrong("decoder width -4: expected 1 to 8192", () -> new Decoder(-4, 1, 1));
    isWrong("decoder width 6: expected a multiple of 4", () -> new Decoder(6, 1, 2));
    isWrong("decoder heads 3: expected a divisor of the width 32", () -> new Decoder(32, 1, 3));
  }

  /** Ints count the elements of the largest tensors there can be. */
  @Test
  void theLargestTensorsCanBeCounted() {
    long width = VitConfig.MAX_WIDTH;
    long tokens = 1 + VitConfig.MAX_GRID * VitConfig.MAX_GRID;
    assertThat(tokens * width).isLessThan(Integer.MAX_VALUE);
    assertThat(3 * width * width).isLessThan(Integer.MAX_VALUE);
    assertThat(width * VitConfig.MAX_HIDDEN).isLessThan(Integer.MAX_VALUE);
    assertThat(3 * width * VitConfig.MAX_PATCH * VitConfig.MAX_PATCH).isLessThan(Integer.MAX_VALUE);
    assertThat(3 * VitConfig.MAX_IMAGE * VitConfig.MAX_IMAGE).isPositive();
  }
}
