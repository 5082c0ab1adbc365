// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.OutputFolder;
import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.train.Scores;
import java.nio.file.Path;
import java.util.List;
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
  @Mixin private ModelOptions model;
  @Mixin private ListOptions lists;
  @Mixin private DeviceOptions where;

  @Option(
      names = "--list",
      paramLabel = "FILE",
      required = true,
      description = "Images to predict.")
  private Path list;

  @Option(names = "--out", paramLabel = "CSV", required = true, description = "File to write.")
  private Path out;

  @Option(names = "--logits", description = "Write logits instead of probabilities.")
  private boolean logits;

  @Option(
      names = "--batch",
      paramLabel = "N",
      defaultValue = "16",
      description =
          "Images a pass; results are the same for any number. Default: ${DEFAULT-VALUE}.")
  private int batch;

  @Override
  public Integer call() throws InterruptedException {
    try (ModelFile file = model.open()) {
      VisionTransformer vit = file.classifier(model.heads());
      Preprocess preprocess = Preprocess.named(lists.recipe(), vit.config().imageSize());
      List<String> names = lists.names(vit.labels());
      ImageList images = ImageList.read(list, lists.images(), -1);
      OutputFolder.create(out.toAbsolutePath().getParent());
      Scores scores =
          Inference.run(file, vit, images, preprocess, where, batch, Progress.onStderr());
      OutputFolder.write(out, Predictions.csv(images, scores, names, logits));
    }
    return 0;
  }
}
