// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.HostTensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The low-rank update (Hu et al., arXiv 2106.09685) of one linear layer [outputs, inputs], as the
 * kernels take it: output columns of group g get {@code scaling * dropout(x) A_gᵀ B_gᵀ}. Plain LoRA
 * is one group over all columns; a fused query-key-value with adapted q and v is two.
 *
 * @param a f32 [groups * rank, inputs], the groups' A one below the other
 * @param b f32 [sum of the groups' columns, rank], the groups' B one below the other
 * @param groups ascending, without overlap, at least one
 * @param outputs columns of the layer's output
 * @param scaling alpha / rank
 * @param dropout probability, of x on its way into A, 0 to below 1
 */
public record LoraWeights(
    HostTensor a, HostTensor b, List<Columns> groups, long outputs, float scaling, float dropout) {

  private static final String A_SUFFIX = ".lora_A";
  private static final String B_SUFFIX = ".lora_B";

  /** A range of output columns. */
  public record Columns(long first, long count) {
    long end() {
      return first + count;
    }
  }

  /**
   * Checks that the parts fit together.
   *
   * @throws WeightsException if they do not
   */
  public LoraWeights {
    groups = List.copyOf(groups);
    if (a.type() != DType.F32 || b.type() != DType.F32 || a.rank() != 2 || b.rank() != 2) {
      throw misfit(a, b, "two f32 matrices");
    }
    if (groups.isEmpty() || b.size(1) < 1 || a.size(0) != groups.size() * b.size(1)) {
      throw misfit(a, b, "A [%d groups * rank, inputs], B [.., rank]".formatted(groups.size()));
    }
    long end = 0;
    long columns = 0;
    for (Columns group : groups) {
      if (group.first < end || group.count < 1 || group.count > outputs - group.first) {
        throw misfit(a, b, "groups %s in ascending order within %d".formatted(groups, outputs));
      }
      end = group.end();
      columns += group.count;
    }
    if (b.size(0) != columns) {
      throw misfit(a, b, "B with %d rows, one a column of %s".formatted(columns, groups));
    }
    if (!Float.isFinite(scaling) || !(dropout >= 0 && dropout < 1)) {
      throw new WeightsException(
          "LoRA with scaling %s and dropout %s: expected a finite scaling and a dropout from 0 to"
                  .formatted(scaling, dropout)
              + " below 1");
    }
  }

  /** One group over all columns: a [rank, inputs], b [outputs, rank]. */
  public static LoraWeights plain(HostTensor a, HostTensor b, float scaling, float dropout) {
    long outputs = b.rank() == 2 ? b.size(0) : 0;
    return new LoraWeights(a, b, List.of(new Columns(0, outputs)), outputs, scaling, dropout);
  }

  /**
   * The adapters in a checkpoint of fused query-key-value layers in the layout of loralib's
   * MergedLinear, which the study uses: {@code MODULE.lora_A} [groups * rank, inputs] and {@code
   * MODULE.lora_B} [groups * inputs, rank], where two groups are q and v, three are q, k and v.
   * Such a file does not say alpha and dropout. One group over all 3 * inputs columns is taken too.
   *
   * @return by module name; empty if the checkpoint has none. f32 tensors are the checkpoint's own
   *     and end with it
   * @throws WeightsException if shapes do not fit this layout
   */
  public static Map<String, LoraWeights> find(Checkpoint checkpoint, float alpha, float dropout) {
    Map<String, LoraWeights> found = new LinkedHashMap<>();
    for (String name : checkpoint.tensors().keySet()) {
      if (name.endsWith(A_SUFFIX)) {
        String module = name.substring(0, name.length() - A_SUFFIX.length());
        HostTensor a = matrix(checkpoint, name).f32();
        HostTensor b = matrix(checkpoint, module + B_SUFFIX).f32();
        try {
          found.put(module, merged(a, b, alpha, dropout));
        } catch (WeightsException e) {
          throw WeightsException.in(
              checkpoint.path(), WeightsException.quote(module) + ": " + e.getMessage(), e);
        }
      }
    }
    return found;
  }

  /** One of the two matrices as the file has it. */
  static HostTensor matrix(Checkpoint checkpoint, String name) {
    HostTensor tensor = checkpoint.require(name);
    if (!tensor.type().isFloatingPoint() || tensor.rank() != 2 || tensor.elements() == 0) {
      throw WeightsException.in(
          checkpoint.path(),
          "%s is %s; expected a matrix of real numbers"
              .formatted(WeightsException.quote(name), tensor.shape()));
    }
    return tensor;
  }

  private static LoraWeights merged(HostTensor a, HostTensor b, float alpha, float dropout) {
    String expected = "A [groups * rank, inputs] and B [groups * inputs, rank], 2 or 3 groups";
    if (a.rank() != 2 || b.rank() != 2 || b.size(1) < 1) {
      throw misfit(a, b, expected);
    }
    long inputs = a.size(1);
    long rank = b.size(1);
    Columns q = new Columns(0, inputs);
    Columns k = new Columns(inputs, inputs);
    Columns v = new Columns(2 * inputs, inputs);
    List<Columns> groups;
    if (a.size(0) == 2 * rank) {
      groups = List.of(q, v);
    } else if (a.size(0) == 3 * rank) {
      groups = List.of(q, k, v);
    } else if (a.size(0) == rank && b.size(0) == 3 * inputs) {
      groups = List.of(new Columns(0, 3 * inputs));
    } else {
      throw misfit(a, b, expected);
    }
    return new LoraWeights(a, b, groups, 3 * inputs, alpha / rank, dropout);
  }

  /** Of each group. */
  public int rank() {
    return Math.toIntExact(b.size(1));
  }

  public long inputs() {
    return a.size(1);
  }

  /** In double, so that divided by the rank it is scaling again, to the bit. */
  public double alpha() {
    return (double) scaling * rank();
  }

  private static WeightsException misfit(HostTensor a, HostTensor b, String expected) {
    return new WeightsException(
        "LoRA with A %s and B %s: expected %s".formatted(a.shape(), b.shape(), expected));
  }
}
