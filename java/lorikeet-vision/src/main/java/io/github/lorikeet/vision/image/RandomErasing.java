// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

/**
 * Random erasing (Zhong et al., arXiv 1708.04896) as timm does it: a rectangle of a prepared image
 * becomes normal noise, each pixel its own, of the mean 0 and deviation 1 that prepared images
 * have.
 */
final class RandomErasing {
  private static final double LEAST_AREA = 0.02;
  private static final double MOST_AREA = 1 / 3.0;
  private static final double LEAST_RATIO = 0.3;
  private static final int TRIES = 10;

  private RandomErasing() {}

  /**
   * Erases 2 % to a third of the area, at a height / width of .3 to 1 / .3 whose logarithm is
   * uniform; nothing, should ten of these not fit.
   *
   * @param pixels [size, size]
   * @param probability of erasing anything
   */
  static void apply(float[] pixels, int size, double probability, CounterRandom random) {
    if (!(random.uniform(0, 1) < probability)) {
      return;
    }
    double maxLog = -StrictMath.log(LEAST_RATIO);
    for (int i = 0; i < TRIES; i++) {
      double area = random.uniform(LEAST_AREA, MOST_AREA) * size * size;
      double ratio = StrictMath.exp(random.uniform(-maxLog, maxLog));
      int height = (int) Math.rint(Math.sqrt(area * ratio));
      int width = (int) Math.rint(Math.sqrt(area / ratio));
      if (width < size && height < size) {
        int top = random.below(size - height + 1);
        int left = random.below(size - width + 1);
        fill(pixels, size, new Crop(left, top, width, height), random);
        return;
      }
    }
  }

  private static void fill(float[] pixels, int size, Crop region, CounterRandom random) {
    for (int y = region.top(); y < region.top() + region.height(); y++) {
      for (int x = region.left(); x < region.left() + region.width(); x++) {
        pixels[y * size + x] = (float) random.normal();
      }
    }
  }
}
