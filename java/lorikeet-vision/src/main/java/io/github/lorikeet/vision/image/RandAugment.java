// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

/**
 * Random changes of a picture's light and shape: RandAugment (Cubuk et al., arXiv 1909.13719) with
 * timm's 'increasing' set, in which a larger magnitude is always a stronger change, as {@code
 * rand-m9-mstd0.5-inc1} spells it.
 *
 * @param operations how many are drawn for a picture, one after the other, with replacement
 * @param probability of each to be applied
 * @param magnitude mean strength, 0 to 10
 * @param deviation standard deviation of the strength, which is normal and cut off at 0 and 10
 */
public record RandAugment(int operations, double probability, double magnitude, double deviation) {
  /** As masked autoencoders are fine-tuned, those of the study among them. */
  public static final RandAugment STANDARD = new RandAugment(2, 0.5, 9, 0.5);

  private static final double MOST = 10;

  /** What may be done to a picture. */
  enum Operation {
    AUTO_CONTRAST,
    EQUALIZE,
    INVERT,
    ROTATE,
    POSTERIZE,
    SOLARIZE,
    SOLARIZE_ADD,
    COLOR,
    CONTRAST,
    BRIGHTNESS,
    SHARPNESS,
    SHEAR_X,
    SHEAR_Y,
    TRANSLATE_X,
    TRANSLATE_Y
  }

  public RandAugment {
    if (operations < 1
        || !(probability >= 0 && probability <= 1)
        || !(magnitude >= 0 && magnitude <= MOST)
        || !(deviation >= 0 && Double.isFinite(deviation))) {
      throw new IllegalArgumentException(
          operations
              + " operations of probability "
              + probability
              + ", magnitude "
              + magnitude
              + " and deviation "
              + deviation
              + ": expected 1 or more, of probability 0 to 1, magnitude 0 to 10, deviation 0 or"
              + " more");
    }
  }

  /**
   * @param fill level of what moves in from outside the picture
   */
  Image apply(Image image, int fill, CounterRandom random) {
    Operation[] all = Operation.values();
    for (int i = 0; i < operations; i++) {
      Operation operation = all[random.below(all.length)];
      boolean applied = random.uniform(0, 1) < probability;
      double level = Math.clamp(magnitude + deviation * random.normal(), 0, MOST) / MOST;
      double sign = random.below(2) == 0 ? 1 : -1;
      if (applied) {
        image = apply(operation, image, level, sign, fill);
      }
    }
    return image;
  }

  /**
   * @param level strength, 0 to 1
   * @param sign 1 or -1, for operations that go two ways
   */
  static Image apply(Operation operation, Image image, double level, double sign, int fill) {
    double enhance = Math.max(0.1, 1 + sign * level * 0.9);
    double shear = sign * level * 0.3;
    double translate = sign * level * 0.45;
    return switch (operation) {
      case AUTO_CONTRAST -> PillowTables.autoContrast(image);
      case EQUALIZE -> PillowTables.equalize(image);
      case INVERT -> PillowTables.invert(image);
      case ROTATE -> PillowAffine.rotate(image, sign * level * 30, fill);
      case POSTERIZE -> PillowTables.posterize(image, 4 - (int) (level * 4));
      case SOLARIZE -> PillowTables.solarize(image, 256 - (int) (level * 256));
      case SOLARIZE_ADD -> PillowTables.solarizeAdd(image, (int) (level * 110));
      case COLOR -> PillowEnhance.color(image, enhance);
      case CONTRAST -> PillowEnhance.contrast(image, enhance);
      case BRIGHTNESS -> PillowEnhance.brightness(image, enhance);
      case SHARPNESS -> PillowEnhance.sharpness(image, enhance);
      case SHEAR_X -> PillowAffine.shearX(image, shear, fill);
      case SHEAR_Y -> PillowAffine.shearY(image, shear, fill);
      case TRANSLATE_X -> PillowAffine.translateX(image, translate * image.width(), fill);
      case TRANSLATE_Y -> PillowAffine.translateY(image, translate * image.height(), fill);
    };
  }
}
