// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.Tensor;
import java.util.Map;

/** A case with all its memory: what is timed. */
public interface Body extends AutoCloseable {
  /** Does the work once. */
  void run();

  /**
   * The tensors it reads and writes by name ({@code x}, {@code weight}, {@code y}, ...), for peers
   * that compute on the same numbers; empty where there are none to show.
   */
  default Map<String, Tensor> tensors() {
    return Map.of();
  }

  /** The probability that its random masks drop an element. */
  default float dropout() {
    return 0;
  }

  /** Of the optimiser's step in it; 0 without one. */
  default float learningRate() {
    return 0;
  }

  @Override
  void close();
}
