// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.Lorikeet;

/** How a device multiplies matrices of f32 numbers: {@code lk_precision} in lorikeet.h. */
public enum Precision {
  /** The numbers as they are. */
  EXACT(Lorikeet.LK_PRECISION_EXACT()),
  /** Rounded to tf32 in the products of linear layers, with or without LoRA; sums stay f32. */
  TF32(Lorikeet.LK_PRECISION_TF32());

  private final int code;

  Precision(int code) {
    this.code = code;
  }

  /** The code in lorikeet.h. */
  public int code() {
    return code;
  }
}
