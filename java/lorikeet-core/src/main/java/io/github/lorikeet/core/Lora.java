// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.Lorikeet;
import io.github.lorikeet.core.ffi.lk_lora;
import io.github.lorikeet.core.ffi.lk_lora_group;
import io.github.lorikeet.core.ffi.lk_random;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Low-rank adaptation (Hu et al., arXiv 2106.09685) of groups of a linear layer's output columns:
 * {@code lk_lora}. Plain LoRA is one group over all n columns; the merged query-key-value of a
 * transformer with adapted q and v is two, [0, k) and [2k, 3k).
 */
public final class Lora {
  /** A range of output columns that gets a low-rank update of its own. */
  public record Group(long firstColumn, long columns) {}

  private final Pointers pointers = new Pointers(lk_lora.layout(), 2);
  private final RandomKey random;

  /**
   * @param a rows [groups * rank, k], f32
   * @param b rows [sum of the groups' columns, rank], f32, in the groups' order
   * @param groups ascending, not overlapping
   * @param rank of each group
   * @param scaling alpha / rank
   * @param dropout probability p, 0 <= p < 1, of x on its way into A only
   * @param random names the dropout mask and is read at every call; null where dropout is 0
   */
  public Lora(
      Tensor a,
      Tensor b,
      List<Group> groups,
      int rank,
      float scaling,
      float dropout,
      RandomKey random) {
    if (groups.size() > Lorikeet.LK_MAX_LORA_GROUPS()) {
      throw new IllegalArgumentException(
          groups.size() + " groups, expected 1 to " + Lorikeet.LK_MAX_LORA_GROUPS());
    }
    if (random == null && dropout != 0) {
      throw new IllegalArgumentException("dropout " + dropout + " without a random key");
    }
    MemorySegment struct = pointers.struct();
    lk_lora.a(struct, pointers.set(0, a));
    lk_lora.b(struct, pointers.set(1, b));
    for (int g = 0; g < groups.size(); g++) {
      MemorySegment group = lk_lora.group(struct, g);
      lk_lora_group.first_column(group, groups.get(g).firstColumn());
      lk_lora_group.columns(group, groups.get(g).columns());
    }
    lk_lora.groups(struct, groups.size());
    lk_lora.rank(struct, rank);
    lk_lora.scaling(struct, scaling);
    lk_lora.dropout(struct, dropout);
    this.random = random;
  }

  MemorySegment use(KernelCalls calls) {
    if (random != null) {
      MemorySegment.copy(
          random.struct(), 0, pointers.struct(), lk_lora.random$offset(), lk_random.sizeof());
    }
    return pointers.use(calls);
  }

  MemorySegment shape() {
    return pointers.shape();
  }
}
