// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

/** Which of a model's weights training changes. */
public enum TrainMode {
  /** Low-rank adapters, {@code fc_norm} and {@code head}. */
  LORA("lora"),
  /** {@code fc_norm} and {@code head} only. */
  LINEAR_PROBE("linear-probe"),
  /** Everything. */
  FULL("full");

  private final String text;

  TrainMode(String text) {
    this.text = text;
  }

  /** Whether training changes the parameter of this name. */
  public boolean trains(String name) {
    boolean head = name.startsWith("head.") || name.startsWith("fc_norm.");
    return switch (this) {
      case LORA -> head || name.endsWith(".lora_A") || name.endsWith(".lora_B");
      case LINEAR_PROBE -> head;
      case FULL -> true;
    };
  }

  /** As the command line spells it. */
  @Override
  public String toString() {
    return text;
  }
}
