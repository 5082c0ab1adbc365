// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import java.util.SplittableRandom;

/**
 * Starting values of weights that no checkpoint gives. Every tensor draws from a stream of its own,
 * named by the seed and the tensor's name, so that adding one tensor changes no other.
 */
public final class Initializer {
  private final long seed;

  public Initializer(long seed) {
    this.seed = seed;
  }

  /** Normal values of this standard deviation, drawn again until within two of them of 0. */
  public float[] truncatedNormal(String name, long count, double deviation) {
    SplittableRandom random = stream(name);
    float[] values = new float[Math.toIntExact(count)];
    for (int i = 0; i < values.length; i++) {
      double normal;
      do {
        normal = gaussian(random);
      } while (Math.abs(normal) > 2);
      values[i] = (float) (normal * deviation);
    }
    return values;
  }

  /** Uniform values in [-bound, bound). */
  public float[] uniform(String name, long count, double bound) {
    SplittableRandom random = stream(name);
    float[] values = new float[Math.toIntExact(count)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) ((random.nextDouble() * 2 - 1) * bound);
    }
    return values;
  }

  /** Glorot & Bengio's uniform start for a matrix [out, in] (AISTATS 2010). */
  public float[] xavierUniform(String name, long out, long in) {
    return uniform(name, out * in, Math.sqrt(6.0 / (in + out)));
  }

  /** Box and Muller's transform. */
  private static double gaussian(SplittableRandom random) {
    double radius = StrictMath.sqrt(-2 * StrictMath.log(1 - random.nextDouble()));
    return radius * StrictMath.cos(2 * Math.PI * random.nextDouble());
  }

  private SplittableRandom stream(String name) {
    return new SplittableRandom(mixed(seed) + name.hashCode());
  }

  /**
   * Stafford's 13th mixer. Streams whose seeds differ by a multiple of SplittableRandom's increment
   * are one stream at different places: what neighbouring seeds become here are no neighbours.
   */
  private static long mixed(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
