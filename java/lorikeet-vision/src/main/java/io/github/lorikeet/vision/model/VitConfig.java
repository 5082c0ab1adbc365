// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

/**
 * The shape of a vision transformer (Dosovitskiy et al., arXiv 2010.11929).
 *
 * @param imageSize pixels a side
 * @param patch pixels a side of a patch; divides imageSize
 * @param channels colour channels the patch embedding reads; a grey image is repeated over them
 * @param width features a token
 * @param depth blocks
 * @param heads attention heads; divides width
 * @param hidden features inside each block's MLP
 * @param classToken whether a class token goes before the patches
 */
public record VitConfig(
    int imageSize,
    int patch,
    int channels,
    int width,
    int depth,
    int heads,
    int hidden,
    boolean classToken) {

  /** More than any model has; tensors of such sizes have fewer elements than an int can count. */
  static final int MAX_IMAGE = 1 << 14;

  static final int MAX_PATCH = 1 << 8;
  static final int MAX_GRID = 1 << 8;
  static final int MAX_WIDTH = 1 << 13;
  static final int MAX_HIDDEN = 1 << 16;
  static final int MAX_DEPTH = 1 << 10;

  public VitConfig {
    check("patch", patch, MAX_PATCH);
    check("image size", imageSize, MAX_IMAGE);
    if (imageSize % patch != 0) {
      throw new IllegalArgumentException(
          "image size " + imageSize + ": expected a multiple of the patch size " + patch);
    }
    if (imageSize / patch > MAX_GRID) {
      throw new IllegalArgumentException(
          "image size "
              + imageSize
              + ": "
              + imageSize / patch
              + " patches a side, at most "
              + MAX_GRID
              + " supported");
    }
    check("width", width, MAX_WIDTH);
    check("depth", depth, MAX_DEPTH);
    check("hidden", hidden, MAX_HIDDEN);
    checkHeads("heads", heads, width);
  }

  static void check(String name, int value, int most) {
    if (value < 1 || value > most) {
      throw new IllegalArgumentException(name + " " + value + ": expected 1 to " + most);
    }
  }

  static void checkHeads(String name, int heads, int width) {
    if (heads < 1 || width % heads != 0) {
      throw new IllegalArgumentException(
          name + " " + heads + ": expected a divisor of the width " + width);
    }
    if (width / heads > 256) {
      throw new IllegalArgumentException(
          name + " " + heads + ": " + width / heads + " features a head, at most 256 supported");
    }
  }

  /** Patches a side. */
  public int grid() {
    return imageSize / patch;
  }

  public int patches() {
    return grid() * grid();
  }

  public int tokens() {
    return patches() + leadingTokens();
  }

  /** Tokens before the patches. */
  public int leadingTokens() {
    return classToken ? 1 : 0;
  }

  public VitConfig withImageSize(int size) {
    return new VitConfig(size, patch, channels, width, depth, heads, hidden, classToken);
  }
}
