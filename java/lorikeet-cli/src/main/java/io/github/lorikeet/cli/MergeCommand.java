// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.vision.model.Adapters;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code lorikeet merge}. */
@Command(
    name = "merge",
    description = "Merge an adapter into plain weights that need no adapter.",
    footer = {
      "",
      "Examples:",
      "  lorikeet merge --weights vit.safetensors --adapter run/adapter --out merged.safetensors"
    })
final class MergeCommand implements Callable<Integer> {
  @Mixin private ModelExport export;

  @Override
  public Integer call() {
    return export.run(Adapters::mergedWeights);
  }
}
