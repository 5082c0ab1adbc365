// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.data;

import java.util.ArrayList;
import java.util.List;

/**
 * What {@link DataCheck} found.
 *
 * @param lists counts of each
 * @param files looked at, each once
 * @param findings that should be mended before training
 * @param moreWrongLines that are not among the findings, which have each list's first
 */
public record DataReport(
    List<ListCounts> lists, int files, List<Finding> findings, int moreWrongLines) {

  /** What is wrong. */
  public enum Kind {
    WRONG_LINE("lines that are not of the format"),
    LABEL_COUNT("lists with another number of labels"),
    MISSING("missing images"),
    CORRUPT("images that cannot be decoded"),
    WRONG_FORMAT("images of another format than expected"),
    REPEATED("images listed more than once"),
    SHARED("images in more than one split"),
    LABELS_DIFFER("images whose labels contradict each other");

    private final String title;

    Kind(String title) {
      this.title = title;
    }

    @Override
    public String toString() {
      return title;
    }
  }

  /**
   * Something wrong.
   *
   * @param list its file name, or its path where lists lie in several folders
   * @param image as the list names it; empty if it is about the list
   */
  public record Finding(Kind kind, String list, String image, String message) {}

  /**
   * A list in numbers.
   *
   * @param list as findings call it
   * @param images in it
   * @param positives images with each label
   * @param unlabelled images without any
   */
  public record ListCounts(String list, int images, List<Integer> positives, int unlabelled) {

    static ListCounts of(String name, ImageList list) {
      int[] positives = new int[list.labels()];
      int unlabelled = 0;
      for (int image = 0; image < list.size(); image++) {
        int found = 0;
        for (int label = 0; label < positives.length; label++) {
          positives[label] += list.label(image, label);
          found += list.label(image, label);
        }
        unlabelled += found == 0 ? 1 : 0;
      }
      List<Integer> boxed = new ArrayList<>();
      for (int count : positives) {
        boxed.add(count);
      }
      return new ListCounts(name, list.size(), List.copyOf(boxed), unlabelled);
    }
  }
}
