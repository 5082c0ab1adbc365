// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.report.Report;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.image.Image;
import io.github.lorikeet.vision.image.ImageDecoder;
import io.github.lorikeet.vision.image.Preprocess;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;

/** A few images of a list for a report, spread evenly over it. */
final class Examples {
  private static final int COUNT = 6;

  /** Pixels a side of the pictures shown. */
  private static final int SIZE = 224;

  private Examples() {}

  /** What is seen of an image: pictures that belong together. */
  interface Pictures {
    List<Report.Picture> of(Path image);
  }

  /**
   * @param predictions of an image by its place in the list
   * @param pictures what is shown of it
   */
  static List<Report.Example> of(
      ImageList list,
      List<String> labelNames,
      IntFunction<List<Report.Prediction>> predictions,
      Pictures pictures) {
    List<Report.Example> examples = new ArrayList<>();
    int count = Math.min(COUNT, list.size());
    for (int i = 0; i < count; i++) {
      int index = (int) ((2L * i + 1) * list.size() / (2 * count));
      examples.add(
          new Report.Example(
              Path.of(list.name(index)).getFileName().toString(),
              truth(list, index, labelNames),
              pictures.of(list.path(index)),
              predictions.apply(index)));
    }
    return examples;
  }

  /** The image alone. */
  static List<Report.Picture> plain(Path file) {
    Image image = Preprocess.mrm(SIZE).centered(ImageDecoder.read(file).gray());
    return List.of(new Report.Picture("", image.width(), image.height(), image.pixels()));
  }

  private static String truth(ImageList list, int index, List<String> names) {
    List<String> present = new ArrayList<>();
    for (int label = 0; label < list.labels(); label++) {
      if (list.label(index, label) == 1) {
        present.add(names.get(label));
      }
    }
    if (!present.isEmpty()) {
      return String.join(", ", present);
    }
    // Of what is not listed the list says nothing.
    return names.size() == 1 ? "not " + names.getFirst() : "none of these labels";
  }
}
