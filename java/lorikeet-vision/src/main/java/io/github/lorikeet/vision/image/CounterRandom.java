// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

/**
 * Random numbers that depend on what they are for and on nothing else: Philox 4x32-10 (Salmon et
 * al., "Parallel random numbers: as easy as 1, 2, 3", SC'11), the generator of the kernels, keyed
 * by the seed and counting draws of one purpose for one item in one epoch. Whoever draws, on
 * whatever thread and in whatever order, gets the same numbers.
 */
public final class CounterRandom {

  /**
   * What the numbers are for. Each purpose has draws of its own, so adding one changes no other;
   * its place in this list is part of the key, so new ones go at the end.
   */
  public enum Purpose {
    SHUFFLE,
    CROP,
    FLIP,
    MASK,
    RAND_AUGMENT,
    ERASE
  }

  private final int key0;
  private final int key1;
  private final int epoch;
  private final int item;
  private final int purpose;
  private int draws;
  private final int[] block = new int[4];

  public CounterRandom(long seed, int epoch, int item, Purpose purpose) {
    key0 = (int) seed;
    key1 = (int) (seed >>> 32);
    this.epoch = epoch;
    this.item = item;
    this.purpose = purpose.ordinal();
  }

  /** Uniform in [low, high), from 32 random bits. */
  public double uniform(double low, double high) {
    return low + (high - low) * ((next() & 0xFFFFFFFFL) * 0x1p-32);
  }

  /** Uniform in 0 .. bound - 1, to within bound / 2^32. */
  public int below(int bound) {
    return (int) ((next() & 0xFFFFFFFFL) * bound >>> 32);
  }

  /** Normal with mean 0 and deviation 1 (Box and Muller), from two draws. */
  public double normal() {
    // The middles of 2^32 equal intervals: never 0, whose logarithm is not finite.
    double radius = StrictMath.sqrt(-2 * StrictMath.log(uniform(0, 1) + 0x1p-33));
    return radius * StrictMath.cos(2 * Math.PI * uniform(0, 1));
  }

  /** 0 .. count - 1 in an order that is any with equal probability (Fisher and Yates). */
  public int[] permutation(int count) {
    int[] order = new int[count];
    for (int i = 0; i < count; i++) {
      int other = below(i + 1);
      order[i] = order[other];
      order[other] = i;
    }
    return order;
  }

  private int next() {
    if (draws % 4 == 0) {
      block[0] = draws / 4;
      block[1] = purpose;
      block[2] = item;
      block[3] = epoch;
      philox(block, key0, key1);
    }
    return block[draws++ % 4];
  }

  /** Turns a counter of four words into four random words, in place. */
  static void philox(int[] counter, int key0, int key1) {
    for (int round = 0; round < 10; round++) {
      long product0 = 0xD2511F53L * (counter[0] & 0xFFFFFFFFL);
      long product1 = 0xCD9E8D57L * (counter[2] & 0xFFFFFFFFL);
      counter[0] = (int) (product1 >>> 32) ^ counter[1] ^ key0;
      counter[1] = (int) product1;
      counter[2] = (int) (product0 >>> 32) ^ counter[3] ^ key1;
      counter[3] = (int) product0;
      key0 += 0x9E3779B9;
      key1 += 0xBB67AE85;
    }
  }
}
