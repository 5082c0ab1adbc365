// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.weights.LabelNames;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import picocli.CommandLine.Option;

/** How images are found, prepared and named. */
final class ListOptions {
  private static final String DEFAULT_RECIPE = "mrm";

  @Option(
      names = "--images",
      paramLabel = "DIR",
      description = "Folder that the lists' paths are relative to; each list's own by default.")
  private Path images;

  @Option(
      names = "--recipe",
      paramLabel = "NAME",
      description = {
        "How images are prepared: mrm (shorter side = the model's size) or cxr-mae (shorter side"
            + " 8/7 of it up to 224 pixels, centre crop), each with its mean and deviation."
            + " Default: the one that the weights or the adapter learnt by, where their files say"
            + " it; else mrm."
      })
  private String recipe;

  @Option(
      names = "--label-names",
      paramLabel = "NAME",
      split = ",",
      description =
          "Names of the labels, comma-separated. Default: those that the head was trained with,"
              + " where its file says them; else, and for a new head, label_1 and so on.")
  private List<String> labelNames;

  Path images() {
    return images;
  }

  /** The recipe that was asked for; else the model's own, where its files say it. */
  String recipe(ModelFile model) {
    return recipe != null ? recipe : model.recipe() != null ? model.recipe() : DEFAULT_RECIPE;
  }

  /**
   * How images of a model are prepared; says so where it is not as those were that it learnt from.
   */
  Preprocess preprocess(ModelFile file, VisionTransformer model, Progress progress) {
    String own = file.recipe();
    if (recipe != null && own != null && !recipe.equals(own)) {
      progress.say("note: --recipe " + recipe + ", but the model learnt from images by " + own);
    }
    return Preprocess.named(recipe(file), model.config().imageSize());
  }

  /** The names of a trained head's labels: those given, else its own, else label_1 and so on. */
  List<String> names(ModelFile file, int labels) {
    List<String> own = labelNames == null ? file.labels(labels) : null;
    return own == null ? names(labels) : own;
  }

  /** Names of labels that have none. */
  static List<String> numbered(int labels) {
    return IntStream.rangeClosed(1, labels).mapToObj(i -> "label_" + i).toList();
  }

  /** The names given, or label_1 and so on. */
  List<String> names(int labels) {
    if (labelNames == null) {
      return numbered(labels);
    }
    if (labelNames.size() != labels) {
      throw new IllegalArgumentException(
          "--label-names: " + labelNames.size() + " names, expected " + labels);
    }
    String problem = LabelNames.problem(labelNames);
    if (problem != null) {
      throw new IllegalArgumentException(
          "--label-names: " + problem + ", expected a name of its own for each label");
    }
    return labelNames;
  }
}
