// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.vision.model.Adapters;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code lorikeet export}. */
@Command(
    name = "export",
    description = "Write weights and adapter as one checkpoint in the layout of the study's code.",
    footer = {
      "",
      "W stays as it is, lora_A and lora_B lie beside it: blocks.N.attn.qkv.lora_A [2r, width] and",
      ".lora_B [2 width, r] for q and v. For weights that need no adapter, see merge.",
      "",
      "Examples:",
      "  lorikeet export --weights vit.safetensors --adapter run/adapter --out study.pth"
    })
final class ExportCommand implements Callable<Integer> {
  @Mixin private ModelExport export;

  @Override
  public Integer call() {
    return export.run(Adapters::unmergedWeights);
  }
}
