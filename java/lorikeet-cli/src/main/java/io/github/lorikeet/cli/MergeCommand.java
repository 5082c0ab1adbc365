// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.model.Adapters;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

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
  @Spec private CommandSpec spec;

  @Option(
      names = "--weights",
      paramLabel = "FILE",
      required = true,
      description = "The weights it was trained on.")
  private Path weights;

  @Option(
      names = "--adapter",
      paramLabel = "DIR",
      required = true,
      description = "PEFT adapter folder.")
  private Path adapter;

  @Option(
      names = "--heads",
      paramLabel = "N",
      defaultValue = "0",
      description = "Attention heads; 0: width / 64 (default).")
  private int heads;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      required = true,
      description = "safetensors file to write.")
  private Path out;

  @Override
  public Integer call() {
    try (ModelFile file = ModelFile.open(weights, adapter)) {
      VisionTransformer model = file.classifier(heads);
      Map<String, HostTensor> merged = Adapters.mergedWeights(model);
      SafetensorsWriter.write(out, merged);
      file.notes().forEach(note -> spec.commandLine().getErr().println("note: " + note));
      spec.commandLine().getOut().println(out + ": " + merged.size() + " tensors");
      spec.commandLine().getOut().flush();
    }
    return 0;
  }
}
