// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

/** What an {@link Epilogue} does to every element: {@code lk_activation}. */
public enum Activation {
  NONE(0),
  /** The exact GELU (Hendrycks & Gimpel, arXiv 1606.08415). */
  GELU(1);

  private final int code;

  Activation(int code) {
    this.code = code;
  }

  /** The value of {@code lk_activation}. */
  public int code() {
    return code;
  }
}
