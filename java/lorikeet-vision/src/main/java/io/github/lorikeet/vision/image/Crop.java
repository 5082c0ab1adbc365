// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

/** A rectangle of whole pixels inside an image. */
public record Crop(int left, int top, int width, int height) {

  /**
   * The central rectangle of this size. An odd margin is halved to the nearest even number of
   * pixels on the left and top, as torchvision's {@code CenterCrop} does.
   */
  public static Crop center(Image image, int width, int height) {
    return new Crop(
        (int) Math.rint((image.width() - width) / 2.0),
        (int) Math.rint((image.height() - height) / 2.0),
        width,
        height);
  }

  public static Crop whole(Image image) {
    return new Crop(0, 0, image.width(), image.height());
  }

  void checkInside(Image image) {
    if (left < 0
        || top < 0
        || width < 1
        || height < 1
        || (long) left + width > image.width()
        || (long) top + height > image.height()) {
      throw new IllegalArgumentException(
          this + ": expected a rectangle inside " + image.width() + " x " + image.height());
    }
  }
}
