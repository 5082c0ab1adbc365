// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.report.Color;
import io.github.lorikeet.vision.train.TrainMode;

/** How methods are named and drawn, the same everywhere. */
final class Methods {
  private Methods() {}

  static String name(TrainMode mode, int rank) {
    return switch (mode) {
      case LORA -> "LoRA, rank " + rank;
      case LINEAR_PROBE -> "linear probe";
      case FULL -> "full fine-tuning";
    };
  }

  static Color color(TrainMode mode) {
    return switch (mode) {
      case LORA -> Color.BLUE;
      case FULL -> Color.ORANGE;
      case LINEAR_PROBE -> Color.GREEN;
    };
  }
}
