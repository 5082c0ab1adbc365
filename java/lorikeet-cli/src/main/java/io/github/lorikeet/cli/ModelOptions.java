// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.vision.model.ModelFile;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** A trained classifier's files. */
final class ModelOptions {
  @Option(
      names = "--weights",
      paramLabel = "FILE",
      required = true,
      description =
          "Weights of a vision transformer, safetensors or PyTorch .pth, under timm's names.")
  private Path weights;

  @Option(names = "--adapter", paramLabel = "DIR", description = "PEFT adapter folder to apply.")
  private Path adapter;

  @Option(
      names = "--heads",
      paramLabel = "N",
      defaultValue = "0",
      description = "Attention heads; 0: width / 64 (default).")
  private int heads;

  ModelFile open() {
    return ModelFile.open(weights, adapter);
  }

  int heads() {
    if (heads < 0) {
      throw new IllegalArgumentException("--heads " + heads + ": expected 0 or more");
    }
    return heads;
  }
}
