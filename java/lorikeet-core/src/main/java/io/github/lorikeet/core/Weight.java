// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.Lorikeet;
import io.github.lorikeet.core.ffi.lk_weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The matrix W [n, k] of y = x Wᵀ: {@code lk_weight}. {@link Kernels#weightPrepare} points it to a
 * tensor (plain) or to storage that it fills (packed); before that it is enough to ask for
 * workspaces with.
 */
public final class Weight {
  /** How a weight lies in memory: {@code lk_weight_format}. */
  public enum Format {
    /** Rows [n, k] as they stand: for weights that training changes. */
    PLAIN(0),
    /** The device's own order, made once: for frozen weights. */
    PACKED(1);

    private final int code;

    Format(int code) {
      this.code = code;
    }

    /** The value of {@code lk_weight_format}. */
    public int code() {
      return code;
    }
  }

  private final Format format;
  private final DType type;
  private final MemorySegment struct = lk_weight.allocate(Arena.ofAuto());

  /** What the struct points into, and where that was then; null before it is prepared. */
  private Tensor memory;

  private long prepared;

  /** An f32 weight of n outputs and k inputs, not prepared yet. */
  public Weight(Format format, long n, long k) {
    this(format, DType.F32, n, k);
  }

  /**
   * A weight of n outputs and k inputs, not prepared yet.
   *
   * @param type that of the activations it is used with: f32, bf16 or f16
   */
  public Weight(Format format, DType type, long n, long k) {
    this.format = format;
    this.type = type;
    lk_weight.n(struct, n);
    lk_weight.k(struct, k);
    lk_weight.row_stride(struct, k);
    lk_weight.format(struct, format.code());
    lk_weight.dtype(struct, type.code());
    // Functions that look at the shape only may still refuse NULL.
    lk_weight.data(struct, MemorySegment.ofAddress(Lorikeet.LK_ALIGNMENT()));
  }

  public Format format() {
    return format;
  }

  public DType type() {
    return type;
  }

  /** Outputs: rows of W. */
  public long n() {
    return lk_weight.n(struct);
  }

  /** Inputs: columns of W. */
  public long k() {
    return lk_weight.k(struct);
  }

  /** Notes that the struct was prepared to point into this tensor. */
  void prepared(Tensor memory) {
    this.memory = memory;
    this.prepared = memory.address();
  }

  MemorySegment use(KernelCalls calls) {
    if (memory == null) {
      throw new IllegalStateException(this + " is not prepared");
    }
    calls.use(memory);
    if (memory.address() != prepared) {
      throw new IllegalStateException(this + ": its memory was placed elsewhere, prepare it again");
    }
    return struct;
  }

  MemorySegment shape() {
    return struct;
  }

  @Override
  public String toString() {
    return "weight " + type + " [" + n() + ", " + k() + "]";
  }
}
