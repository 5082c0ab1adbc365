// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

/**
 * An 8-bit picture of one grey plane or of a red, a green and a blue one.
 *
 * @param channels 1 or 3
 * @param pixels unsigned bytes [channels, height, width]; not copied, so leave them as they are
 */
public record Image(int width, int height, int channels, byte[] pixels) {

  public Image {
    if (width < 1 || height < 1 || (channels != 1 && channels != 3)) {
      throw new IllegalArgumentException(
          "image of "
              + width
              + " x "
              + height
              + " with "
              + channels
              + " channels: expected at least 1 x 1 with 1 or 3 channels");
    }
    if (pixels.length != (long) channels * height * width) {
      throw new IllegalArgumentException(
          pixels.length + " pixels: expected " + channels + " x " + height + " x " + width);
    }
  }

  /** The value of one pixel, 0 to 255. */
  public int at(int channel, int y, int x) {
    return pixels[(channel * height + y) * width + x] & 0xFF;
  }

  /**
   * One grey plane: ITU-R 601-2 luma in Pillow's integer arithmetic (its conversion to mode L), so
   * that a colour image with three equal channels gives exactly that channel.
   */
  public Image gray() {
    if (channels == 1) {
      return this;
    }
    int plane = width * height;
    byte[] gray = new byte[plane];
    for (int i = 0; i < plane; i++) {
      int red = pixels[i] & 0xFF;
      int green = pixels[plane + i] & 0xFF;
      int blue = pixels[2 * plane + i] & 0xFF;
      gray[i] = (byte) ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16);
    }
    return new Image(width, height, 1, gray);
  }

  /** The picture mirrored left to right. */
  public Image flip() {
    byte[] flipped = new byte[pixels.length];
    for (int row = 0; row < pixels.length; row += width) {
      for (int x = 0; x < width; x++) {
        flipped[row + x] = pixels[row + width - 1 - x];
      }
    }
    return new Image(width, height, channels, flipped);
  }

  /** The part of the picture inside a rectangle. */
  public Image crop(Crop region) {
    region.checkInside(this);
    byte[] part = new byte[channels * region.height() * region.width()];
    for (int c = 0; c < channels; c++) {
      for (int y = 0; y < region.height(); y++) {
        int from = (c * height + region.top() + y) * width + region.left();
        int to = (c * region.height() + y) * region.width();
        System.arraycopy(pixels, from, part, to, region.width());
      }
    }
    return new Image(region.width(), region.height(), channels, part);
  }
}
