// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.weights.LoraWeights.Columns;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Groups of output columns in a format that knows plain LoRA only. With n groups of rank r, one
 * adapter of rank n * r says the same: A' = A, and B' [outputs, n * r] holds each group's B in the
 * group's rows and in the columns that meet the group's rows of A, zero elsewhere. For q and v of a
 * fused qkv: B' = [[B_q, 0], [0, 0], [0, B_v]].
 */
final class LoraBlocks {
  private static final long FLOAT = DType.F32.bytes();

  private LoraBlocks() {}

  /** The rank n * r. */
  static long rank(LoraWeights lora) {
    return (long) lora.rank() * lora.groups().size();
  }

  /** The alpha that goes with it, a double so that alpha / rank is the very same scaling. */
  static double alpha(LoraWeights lora) {
    return (double) lora.scaling() * rank(lora);
  }

  /** B' of an adapter. */
  static HostTensor join(LoraWeights lora) {
    if (lora.groups().size() == 1 && lora.groups().getFirst().count() == lora.outputs()) {
      return lora.b();
    }
    long rank = lora.rank();
    long wide = rank(lora);
    long[] sizes = {lora.outputs(), wide};
    MemorySegment joined = Arena.ofAuto().allocate(lora.outputs() * wide * FLOAT);
    long row = 0;
    for (int g = 0; g < lora.groups().size(); g++) {
      Columns group = lora.groups().get(g);
      for (long i = 0; i < group.count(); i++, row++) {
        long to = (group.first() + i) * wide + g * rank;
        copyRow(lora.b().data(), row * rank, joined, to, rank);
      }
    }
    return new HostTensor(DType.F32, sizes, joined);
  }

  /**
   * The groups' B [sum of columns, rank] from B' [outputs, groups * rank].
   *
   * @return null if B' is not zero everywhere else, or has no such groups
   */
  static HostTensor split(HostTensor joined, List<Columns> groups) {
    long outputs = joined.size(0);
    long wide = joined.size(1);
    long end = 0;
    for (Columns group : groups) {
      if (group.first() < end || group.count() < 1 || group.count() > outputs - group.first()) {
        return null;
      }
      end = group.end();
    }
    if (groups.isEmpty() || wide % groups.size() != 0) {
      return null;
    }
    long rank = wide / groups.size();
    long rows = groups.stream().mapToLong(Columns::count).sum();
    MemorySegment b = Arena.ofAuto().allocate(rows * rank * FLOAT);
    long row = 0;
    int g = 0;
    for (long i = 0; i < outputs; i++) {
      if (g < groups.size() && i >= groups.get(g).end()) {
        g++;
      }
      boolean inGroup = g < groups.size() && i >= groups.get(g).first();
      long first = inGroup ? g * rank : wide;
      if (!isZero(joined, i * wide, i * wide + first)
          || !isZero(joined, i * wide + first + rank, (i + 1) * wide)) {
        return null;
      }
      if (inGroup) {
        copyRow(joined.data(), i * wide + first, b, row++ * rank, rank);
      }
    }
    return new HostTensor(DType.F32, new long[] {rows, rank}, b);
  }

  /**
   * Which of q, k and v a B' [3 * width, ..] changes at all: the groups it would have to have,
   * empty if it is zero or of another height.
   */
  static List<Columns> changedThirds(HostTensor joined) {
    long width = joined.size(0) / 3;
    List<Columns> changed = new ArrayList<>();
    if (joined.size(0) == 3 * width) {
      for (long first = 0; first < 3 * width; first += width) {
        if (!isZero(joined, first * joined.size(1), (first + width) * joined.size(1))) {
          changed.add(new Columns(first, width));
        }
      }
    }
    return changed;
  }

  private static boolean isZero(HostTensor tensor, long begin, long end) {
    for (long i = begin; i < end; i++) {
      if (tensor.data().get(MappedFile.F32, i * FLOAT) != 0) {
        return false;
      }
    }
    return true;
  }

  private static void copyRow(
      MemorySegment from, long fromElement, MemorySegment to, long toElement, long elements) {
    MemorySegment.copy(from, fromElement * FLOAT, to, toElement * FLOAT, elements * FLOAT);
  }
}
