// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import java.util.List;

/**
 * How an image becomes a model's input: for evaluation the shorter side is resized and the centre
 * cut out; grey pixels, divided by 255, are centred and scaled. A model repeats the plane for each
 * of its channels. The named recipes are those of "Less Could Be Better" (arXiv 2401.12215).
 *
 * @param size pixels a side of the model's input
 * @param shorterSide length that evaluation resizes the shorter side to, at least {@code size}
 */
public record Preprocess(int size, int shorterSide, float mean, float deviation) {
  /** What {@link #named} knows. */
  public static final List<String> RECIPES = List.of("mrm", "cxr-mae");

  public Preprocess {
    if (size < 1 || shorterSide < size) {
      throw new IllegalArgumentException(
          "preprocessing to size "
              + size
              + " by way of a shorter side of "
              + shorterSide
              + ": expected 1 <= size <= shorter side");
    }
    if (!(deviation > 0) || !Float.isFinite(mean) || !Float.isFinite(deviation)) {
      throw new IllegalArgumentException(
          "mean "
              + mean
              + ", deviation "
              + deviation
              + ": expected a finite mean and deviation > 0");
    }
  }

  /** The recipe of models that start from MRM (Zhou et al., arXiv 2301.13155). */
  public static Preprocess mrm(int size) {
    return new Preprocess(size, size, 0.4978f, 0.2449f);
  }

  /**
   * The recipe of models that start from a masked autoencoder of radiographs. As masked
   * autoencoders are evaluated, images of more than 224 pixels have no margin cut off.
   */
  public static Preprocess cxrMae(int size) {
    int shorterSide = size <= 224 ? (int) (size / (224.0 / 256)) : size;
    return new Preprocess(size, shorterSide, 0.4785f, 0.2834f);
  }

  /**
   * The recipe called {@code mrm} or {@code cxr-mae}.
   *
   * @throws IllegalArgumentException if it has another name
   */
  public static Preprocess named(String recipe, int size) {
    return switch (recipe) {
      case "mrm" -> mrm(size);
      case "cxr-mae" -> cxrMae(size);
      default ->
          throw new IllegalArgumentException("recipe '" + recipe + "': expected mrm or cxr-mae");
    };
  }

  /**
   * Level of what RandAugment moves in from outside the picture. The study fills with the one
   * channel's mean, which Pillow takes for red without green and blue; grey afterwards, that is
   * 0.299 of it (ITU-R BT.601).
   */
  int fillLevel() {
    return Math.clamp(Math.round(0.299 * 255 * mean), 0, 255);
  }

  /** Floats of one prepared image: size x size. */
  public int elements() {
    return size * size;
  }

  /**
   * The centre of an image whose shorter side was resized; the longer side keeps the ratio, rounded
   * down as torchvision does.
   *
   * @return 8 bits, size x size, with the source's channels
   */
  public Image centered(Image source) {
    int shorter = Math.min(source.width(), source.height());
    int longer = Math.max(source.width(), source.height());
    long resized = (long) ((double) shorterSide * longer / shorter);
    if (resized * shorterSide > ImageDecoder.MAX_PIXELS) {
      throw new ImageException(
          "an image of "
              + source.width()
              + " x "
              + source.height()
              + " would become "
              + shorterSide
              + " x "
              + resized
              + ": too long and thin to resize by its shorter side");
    }
    boolean wide = source.width() >= source.height();
    Image whole =
        PillowResize.bicubic(
            source, wide ? (int) resized : shorterSide, wide ? shorterSide : (int) resized);
    return whole.crop(Crop.center(whole, size, size));
  }

  /**
   * Writes (pixel / 255 - mean) / deviation, in float32 and in this order, as torchvision does.
   *
   * @param image size x size
   * @param out float32 [size, size]
   */
  public void normalize(Image image, float[] out) {
    if (image.width() != size || image.height() != size || out.length != elements()) {
      throw new IllegalArgumentException(
          "image of "
              + image.width()
              + " x "
              + image.height()
              + " into "
              + out.length
              + " floats: expected "
              + size
              + " x "
              + size
              + " into "
              + elements());
    }
    float[] values = new float[256];
    for (int level = 0; level < 256; level++) {
      values[level] = (level / 255f - mean) / deviation;
    }
    byte[] pixels = image.gray().pixels();
    for (int i = 0; i < pixels.length; i++) {
      out[i] = values[pixels[i] & 0xFF];
    }
  }
}
