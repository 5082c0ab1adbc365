// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.OutputFile;
import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.train.Evaluator;
import io.github.lorikeet.vision.train.Scores;
import io.github.lorikeet.vision.weights.PeftAdapter;
import io.github.lorikeet.vision.weights.WeightsException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Runs a trained classifier over a list of images: what predict and evaluate share. */
final class Inference {
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

  @Option(names = "--list", paramLabel = "FILE", required = true, description = "List of images.")
  private Path list;

  @Option(
      names = "--batch",
      paramLabel = "N",
      defaultValue = "16",
      description =
          "Images a pass; results are the same for any number. Default: ${DEFAULT-VALUE}.")
  private int batch;

  @Mixin private ListOptions lists;
  @Mixin private DeviceOptions where;

  private List<Path> inputs() {
    List<Path> all = new ArrayList<>(List.of(weights, list));
    if (adapter != null) {
      all.addAll(PeftAdapter.files(adapter));
    }
    return all;
  }

  /**
   * A classifier's answers.
   *
   * @param names of the labels
   */
  record Result(ImageList images, Scores scores, List<String> names) {}

  /**
   * @param labelled whether every image must have the classifier's number of labels
   * @param output file that the answers will be written to, null for none
   * @throws IllegalArgumentException if it cannot be, or is one of those that are read
   */
  Result run(boolean labelled, Path output) throws InterruptedException {
    if (heads < 0) {
      throw new IllegalArgumentException("--heads " + heads + ": expected 0 or more");
    }
    if (batch < 1) {
      throw new IllegalArgumentException("--batch " + batch + ": expected 1 or more");
    }
    if (output != null) {
      OutputFile.check(output, inputs());
    }
    try (ModelFile file = ModelFile.open(weights, adapter);
        Progress progress = Progress.onStderr()) {
      VisionTransformer model = file.classifier(heads);
      Preprocess preprocess = lists.preprocess(file, model, progress);
      List<String> names = lists.names(file, model.labels());
      ImageList images = ImageList.read(list, lists.images(), labelled ? model.labels() : -1);
      if (output != null) {
        OutputFile.check(output, images.paths());
      }
      file.notes().forEach(note -> progress.say("note: " + note));
      Scores scores = scores(model, images, preprocess, progress);
      refuseNan(images, scores, names);
      return new Result(images, scores, names);
    }
  }

  private void refuseNan(ImageList images, Scores scores, List<String> names) {
    int place = scores.firstNan();
    if (place >= 0) {
      throw new WeightsException(
          "%s: the weights give NaN for %s, %s: they are damaged, or need --dtype f32"
              .formatted(
                  adapter == null ? weights : weights + " with " + adapter,
                  images.name(place / scores.labelCount()),
                  names.get(place % scores.labelCount())));
    }
  }

  private Scores scores(
      VisionTransformer model, ImageList images, Preprocess preprocess, Progress progress)
      throws InterruptedException {
    try (Device device = where.open();
        Evaluator evaluator =
            new Evaluator(device, model, Math.min(batch, images.size()), where.dtype());
        MemoryPlan plan = MemoryPlan.of(null, evaluator.tape());
        ImageLoader loader = new ImageLoader(images, preprocess, where.loaderThreads(), 0)) {
      plan.allocate();
      progress.begin("predict");
      return evaluator.run(
          loader,
          done ->
              progress.show(
                  new Progress.State(
                      0, 0, done, images.size(), Double.NaN, Double.NaN, plan.peakBytes())),
          () -> false);
    }
  }
}
