// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import io.github.lorikeet.vision.image.CounterRandom.Purpose;

/**
 * Random views of training images, as the study's recipes draw them: a random resized crop and a
 * horizontal flip; its AdamW recipes go on with RandAugment, and random erasing after the view is
 * normalised. What a view shows depends on the seed, the epoch and the image's index alone.
 *
 * @param size pixels a side of the view
 * @param minScale smallest part of the image's area that a crop takes, over 0
 * @param maxScale largest part
 * @param minRatio smallest width / height of a crop
 * @param maxRatio largest
 * @param flip probability of a mirrored view
 * @param randAugment null for none
 * @param erase probability of an erased part
 */
public record Augment(
    int size,
    double minScale,
    double maxScale,
    double minRatio,
    double maxRatio,
    double flip,
    RandAugment randAugment,
    double erase) {

  private static final int CROP_TRIES = 10;

  public Augment {
    if (size < 1) {
      throw new IllegalArgumentException("view of size " + size + ": expected at least 1");
    }
    if (!(minScale > 0 && minScale <= maxScale && maxScale <= 1)) {
      throw new IllegalArgumentException(
          "crop scale " + minScale + " to " + maxScale + ": expected 0 < from <= to <= 1");
    }
    if (!(minRatio > 0 && minRatio <= maxRatio && Double.isFinite(maxRatio))) {
      throw new IllegalArgumentException(
          "crop ratio " + minRatio + " to " + maxRatio + ": expected 0 < from <= to");
    }
    if (!(flip >= 0 && flip <= 1)) {
      throw new IllegalArgumentException("flip probability " + flip + ": expected 0 to 1");
    }
    if (!(erase >= 0 && erase <= 1)) {
      throw new IllegalArgumentException("erase probability " + erase + ": expected 0 to 1");
    }
  }

  /** Crop and flip alone. */
  public Augment(
      int size, double minScale, double maxScale, double minRatio, double maxRatio, double flip) {
    this(size, minScale, maxScale, minRatio, maxRatio, flip, null, 0);
  }

  /** Crops of 8 % to all of the area, ratio 3/4 to 4/3, flipped half of the time. */
  public static Augment sgd(int size) {
    return new Augment(size, 0.08, 1, 3.0 / 4, 4.0 / 3, 0.5);
  }

  public Augment withScale(double min, double max) {
    return new Augment(size, min, max, minRatio, maxRatio, flip, randAugment, erase);
  }

  /**
   * @param randAugment null for none
   */
  public Augment with(RandAugment randAugment) {
    return new Augment(size, minScale, maxScale, minRatio, maxRatio, flip, randAugment, erase);
  }

  public Augment withErase(double probability) {
    return new Augment(
        size, minScale, maxScale, minRatio, maxRatio, flip, randAugment, probability);
  }

  /**
   * Writes the view of one image in one epoch as a model takes it.
   *
   * @param out float32 [size, size]
   */
  public void prepare(
      Image source, Preprocess preprocess, long seed, int epoch, int index, float[] out) {
    Image view = view(source, seed, epoch, index);
    if (randAugment != null) {
      view =
          randAugment.apply(
              view,
              preprocess.fillLevel(),
              new CounterRandom(seed, epoch, index, Purpose.RAND_AUGMENT));
    }
    preprocess.normalize(view, out);
    if (erase > 0) {
      CounterRandom random = new CounterRandom(seed, epoch, index, Purpose.ERASE);
      RandomErasing.apply(out, size, erase, random);
    }
  }

  /** The crop of one image in one epoch, flipped or not: size x size, with its channels. */
  public Image view(Image source, long seed, int epoch, int index) {
    Crop crop = randomCrop(source, new CounterRandom(seed, epoch, index, Purpose.CROP));
    Image view = PillowResize.bicubic(source, crop, size, size);
    boolean mirrored = new CounterRandom(seed, epoch, index, Purpose.FLIP).uniform(0, 1) < flip;
    return mirrored ? view.flip() : view;
  }

  /**
   * A crop of random area and ratio (the ratio's logarithm is uniform), at a random place; after
   * ten that do not fit, the largest central one of an allowed ratio. The rule is torchvision's
   * {@code RandomResizedCrop}.
   */
  Crop randomCrop(Image source, CounterRandom random) {
    double area = (double) source.width() * source.height();
    double minLog = StrictMath.log(minRatio);
    double maxLog = StrictMath.log(maxRatio);
    for (int i = 0; i < CROP_TRIES; i++) {
      double target = area * random.uniform(minScale, maxScale);
      double ratio = StrictMath.exp(random.uniform(minLog, maxLog));
      int width = (int) Math.rint(Math.sqrt(target * ratio));
      int height = (int) Math.rint(Math.sqrt(target / ratio));
      if (width > 0 && width <= source.width() && height > 0 && height <= source.height()) {
        int top = random.below(source.height() - height + 1);
        int left = random.below(source.width() - width + 1);
        return new Crop(left, top, width, height);
      }
    }
    return centralCrop(source);
  }

  private Crop centralCrop(Image source) {
    int width = source.width();
    int height = source.height();
    double ratio = (double) width / height;
    if (ratio < minRatio) {
      height = (int) Math.rint(width / minRatio);
    } else if (ratio > maxRatio) {
      width = (int) Math.rint(height * maxRatio);
    }
    return new Crop((source.width() - width) / 2, (source.height() - height) / 2, width, height);
  }
}
