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

  public VitConfig {
    if (patch < 1 || imageSize < patch || imageSize % patch != 0) {
      throw new IllegalArgumentException(
          "image size " + imageSize + ": expected a multiple of the patch size " + patch);
    }
    if (heads < 1 || width % heads != 0) {
      throw new IllegalArgumentException(
          "heads " + heads + ": expected a divisor of the model's width " + width);
    }
    if (width / heads > 256) {
      throw new IllegalArgumentException(
          "heads " + heads + ": " + width / heads + " features a head, at most 256 supported");
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
