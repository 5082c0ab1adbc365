// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.lk_random;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Names the random tensor of one operation in one step: {@code lk_random}. The same key draws the
 * same numbers on every device (Philox 4x32-10, Salmon et al., SC'11).
 */
public final class RandomKey {
  private final MemorySegment struct = lk_random.allocate(Arena.ofAuto());

  /**
   * A key at step 0.
   *
   * @param seed of the whole run
   * @param stream which operation
   */
  public RandomKey(long seed, int stream) {
    lk_random.seed(struct, seed);
    lk_random.stream(struct, stream);
  }

  /** Which training step, as an unsigned 32-bit number. */
  public int step() {
    return lk_random.step(struct);
  }

  /** Moves on to another step: the next call that reads this key draws that step's numbers. */
  public void step(int step) {
    lk_random.step(struct, step);
  }

  MemorySegment struct() {
    return struct;
  }
}
