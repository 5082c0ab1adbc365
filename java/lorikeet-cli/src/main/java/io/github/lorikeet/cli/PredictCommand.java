// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.OutputFile;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lorikeet predict}. */
@Command(
    name = "predict",
    description = "Predict the labels of a list of images, written as CSV.",
    footer = {
      "",
      "The list has an image a line: path, then labels or none. The CSV's header is"
          + " path,<label..>.",
      "",
      "Examples:",
      "  lorikeet predict --weights vit.safetensors --adapter run/adapter --list test_list.txt"
          + " --out p.csv",
      "  lorikeet predict --weights vit.pth --list test_list.txt --out p.csv --logits --recipe"
          + " cxr-mae"
    })
final class PredictCommand implements Callable<Integer> {
  @Mixin private Inference inference;

  @Option(names = "--out", paramLabel = "CSV", required = true, description = "File to write.")
  private Path out;

  @Option(names = "--logits", description = "Write logits instead of probabilities.")
  private boolean logits;

  @Override
  public Integer call() throws InterruptedException {
    Inference.Result result = inference.run(false, out);
    OutputFile.write(
        out, Predictions.csv(result.images(), result.scores(), result.names(), logits));
    return 0;
  }
}
