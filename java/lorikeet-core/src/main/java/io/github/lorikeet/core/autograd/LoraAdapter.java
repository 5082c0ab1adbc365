// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.Lora;
import java.util.List;

/**
 * A low-rank adapter (Hu et al., arXiv 2106.09685) of groups of a linear layer's output columns:
 * y's columns of group g get (alpha / rank) dropout(x) A_gᵀ B_gᵀ.
 *
 * @param a rows [groups * rank, inputs]
 * @param b rows [sum of the groups' columns, rank], in the groups' order
 * @param groups ascending ranges of output columns that do not overlap; one over all of them is
 *     plain LoRA
 * @param rank of each group
 * @param alpha the update is scaled by alpha / rank
 * @param dropout the probability that an element of x is dropped on its way into A, in training
 */
public record LoraAdapter(
    Parameter a, Parameter b, List<Lora.Group> groups, int rank, double alpha, float dropout) {
  public LoraAdapter {
    groups = List.copyOf(groups);
    if (groups.isEmpty() || rank < 1) {
      throw new IllegalArgumentException(
          "rank " + rank + ", " + groups.size() + " groups: expected 1 or more of each");
    }
    if (!(dropout >= 0 && dropout < 1)) {
      throw new IllegalArgumentException("dropout " + dropout + ": expected 0 <= dropout < 1");
    }
    if (!Double.isFinite(alpha)) {
      throw new IllegalArgumentException("alpha " + alpha + ": expected a finite number");
    }
  }

  /** The factor of the low-rank update. */
  public float scaling() {
    return (float) (alpha / rank);
  }

  /** Columns of all groups together. */
  public long columns() {
    return groups.stream().mapToLong(Lora.Group::columns).sum();
  }

  void checkFits(Parameter weight) {
    long outputs = weight.sizes()[0];
    long inputs = weight.elements() / outputs;
    check(a, (long) groups.size() * rank, inputs, weight);
    check(b, columns(), rank, weight);
    long end = 0;
    for (Lora.Group group : groups) {
      if (group.firstColumn() < end || group.columns() < 1) {
        throw new IllegalArgumentException(
            weight.describe() + ": LoRA groups " + groups + " do not ascend without overlap");
      }
      end = group.firstColumn() + group.columns();
    }
    if (end > outputs) {
      throw new IllegalArgumentException(
          weight.describe()
              + ": LoRA groups "
              + groups
              + " reach beyond its "
              + outputs
              + " outputs");
    }
  }

  private static void check(Parameter p, long rows, long columns, Parameter weight) {
    long[] sizes = p.sizes();
    if (sizes.length != 2 || sizes[0] != rows || sizes[1] != columns) {
      throw new IllegalArgumentException(
          p.describe() + ": expected [" + rows + ", " + columns + "] beside " + weight.describe());
    }
  }
}
