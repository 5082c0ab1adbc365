// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image.jpeg2000;

import java.io.IOException;
import java.util.Arrays;

/** Numbers of a grid that are coded from coarse to fine (T.800, B.10.2). */
final class TagTree {
  private static final int UNKNOWN = Integer.MAX_VALUE;

  /** Nodes across each level, from the grid itself to the root, and where the level begins. */
  private final int[] across;

  private final int[] start;

  /** What is known of each node: its number, and that it is not below this. */
  private final int[] value;

  private final int[] atLeast;

  TagTree(int width, int height) {
    int levels = 1;
    while (Math.max(width, height) - 1 >> levels - 1 > 0) {
      levels++;
    }
    across = new int[levels];
    start = new int[levels];
    int nodes = 0;
    for (int level = 0; level < levels; level++) {
      across[level] = (width - 1 >> level) + 1;
      start[level] = nodes;
      nodes += across[level] * ((height - 1 >> level) + 1);
    }
    value = new int[nodes];
    atLeast = new int[nodes];
    Arrays.fill(value, UNKNOWN);
  }

  /** Whether a number is below a threshold; reads as many bits as it takes to know. */
  boolean isBelow(int x, int y, int threshold, PacketReader bits) throws IOException {
    int low = 0;
    int node = 0;
    for (int level = across.length - 1; level >= 0; level--) {
      node = start[level] + (y >> level) * across[level] + (x >> level);
      low = Math.max(low, atLeast[node]);
      while (low < threshold && low < value[node]) {
        if (bits.bit() == 1) {
          value[node] = low;
        } else {
          low++;
        }
      }
      atLeast[node] = low;
    }
    return value[node] < threshold;
  }
}
