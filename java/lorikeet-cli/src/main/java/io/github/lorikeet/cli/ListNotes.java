// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.vision.data.ImageList;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What of a training's lists makes its figures doubtful, by their paths and labels alone: no image
 * is read. {@code data check} finds copies under other names, too.
 */
final class ListNotes {
  private static final List<String> NAMES = List.of("training", "validation", "test");

  /** Where a path is named first. */
  private record Place(int list, int image) {}

  /** Images of one kind, and the first of them. */
  private static final class Count {
    private int images;
    private String first;

    void add(String name) {
      if (images++ == 0) {
        first = name;
      }
    }
  }

  private ListNotes() {}

  /**
   * @param lists for training, for validation and, if there is one, to test
   * @param labelNames one a label
   */
  static List<String> of(List<ImageList> lists, List<String> labelNames) {
    List<String> notes = new ArrayList<>(oneKind(lists.getFirst(), labelNames));
    Map<Path, Place> places = new HashMap<>();
    Count contradicted = new Count();
    for (int l = 0; l < lists.size(); l++) {
      ImageList list = lists.get(l);
      List<Count> shared = lists.stream().map(before -> new Count()).toList();
      for (int image = 0; image < list.size(); image++) {
        Path path = list.path(image).toAbsolutePath().normalize();
        Place first = places.putIfAbsent(path, new Place(l, image));
        if (first == null) {
          continue;
        }
        if (first.list != l) {
          shared.get(first.list).add(list.name(image));
        }
        if (differ(lists.get(first.list), first.image, list, image)) {
          contradicted.add(list.name(image));
        }
      }
      for (int before = 0; before < l; before++) {
        Count count = shared.get(before);
        if (count.images > 0) {
          notes.add(
              "of the %s list's images, %s are in the %s list too, first %s: its figures come out too good"
                  .formatted(
                      NAMES.get(l), Format.count(count.images), NAMES.get(before), count.first));
        }
      }
    }
    if (contradicted.images > 0) {
      notes.add(
          "images listed again with other labels: %s, first %s"
              .formatted(Format.count(contradicted.images), contradicted.first));
    }
    return notes;
  }

  private static boolean differ(ImageList first, int firstImage, ImageList list, int image) {
    for (int label = 0; label < list.labels(); label++) {
      if (first.label(firstImage, label) != list.label(image, label)) {
        return true;
      }
    }
    return false;
  }

  /** Labels of which the training list shows one kind only. */
  private static List<String> oneKind(ImageList training, List<String> labelNames) {
    List<String> notes = new ArrayList<>();
    for (int label = 0; label < training.labels(); label++) {
      int positives = 0;
      for (int image = 0; image < training.size(); image++) {
        positives += training.label(image, label);
      }
      if (positives == 0 || positives == training.size()) {
        notes.add(
            "the training list has no image %s %s: nothing to learn to tell apart"
                .formatted(positives == 0 ? "with" : "without", labelNames.get(label)));
      }
    }
    return notes;
  }
}
