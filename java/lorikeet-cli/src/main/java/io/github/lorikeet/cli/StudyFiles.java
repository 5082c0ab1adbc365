// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.StudyRecipes.Start;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.data.StudyData;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.model.ModelFile;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;

/**
 * A study's weights and lists, each read when it is first asked for and kept from then on. Models
 * read the weights as long as they live: close it after them.
 */
final class StudyFiles implements AutoCloseable {
  private final Map<Start, Path> weights;
  private final Map<StudyData, Path> folders;
  private final StudyRun.Scale scale;
  private final Map<Start, ModelFile> models = new EnumMap<>(Start.class);
  private final Map<Path, ImageList> lists = new HashMap<>();

  /**
   * @param weights of the starts that there are
   * @param folders of the data sets that there are
   */
  StudyFiles(Map<Start, Path> weights, Map<StudyData, Path> folders, StudyRun.Scale scale) {
    this.weights = weights;
    this.folders = folders;
    this.scale = scale;
  }

  boolean has(StudyTask task) {
    return weights.containsKey(task.start()) && folders.containsKey(task.data());
  }

  ModelFile model(Start start) {
    return models.computeIfAbsent(start, s -> ModelFile.open(weights.get(s), null));
  }

  /** The weights' name and checksum, which tell them apart from others. */
  String describe(Start start) {
    return weights.get(start).getFileName() + ", " + model(start).checksum();
  }

  Path weights(Start start) {
    return weights.get(start);
  }

  /** Of the lists and images. */
  Path folder(StudyData data) {
    return folders.get(data);
  }

  /** Pixels a side. */
  int imageSize(Start start) {
    return scale.imageSize() > 0 ? scale.imageSize() : model(start).imageSize();
  }

  Preprocess preprocess(Start start) {
    return Preprocess.named(start.id(), imageSize(start));
  }

  private ImageList list(StudyData data, String name) {
    Path folder = folders.get(data);
    return lists.computeIfAbsent(folder.resolve(name), path -> data.read(folder, name));
  }

  ImageList training(StudyTask task) {
    ImageList list = list(task.data(), task.trainingList());
    if (list.size() < scale.batch()) {
      throw new IllegalArgumentException(
          folders.get(task.data()).resolve(task.trainingList())
              + ": has "
              + list.size()
              + " images, fewer than a batch of "
              + scale.batch()
              + ": pass a smaller --batch");
    }
    return list;
  }

  ImageList validation(StudyTask task) {
    return list(task.data(), StudyData.VALIDATION_LIST);
  }

  ImageList test(StudyTask task) {
    return list(task.data(), StudyData.TEST_LIST);
  }

  @Override
  public void close() {
    models.values().forEach(ModelFile::close);
  }
}
