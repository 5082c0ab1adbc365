// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.data;

import io.github.lorikeet.vision.image.ImageFormat;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The data sets of "Less Could Be Better" (arXiv 2401.12215), as its public lists lay them out: a
 * folder with the lists, and the images below it.
 */
public enum StudyData {
  /** Frontal radiographs, 1024 x 1024 PNG: 8-bit grey, some of them RGBA. */
  NIH(
      "nih",
      "NIH ChestX-ray14",
      "all_classes",
      ImageFormat.PNG,
      List.of(
          "Atelectasis",
          "Cardiomegaly",
          "Effusion",
          "Infiltration",
          "Mass",
          "Nodule",
          "Pneumonia",
          "Pneumothorax",
          "Consolidation",
          "Edema",
          "Emphysema",
          "Fibrosis",
          "Pleural_Thickening",
          "Hernia"),
      new Sizes(785, 7_847, 78_468, 11_219, 22_433)),

  /** Frontal and lateral radiographs, JPEG, in a folder a patient and study. */
  CHEXPERT(
      "chexpert",
      "CheXpert",
      "",
      ImageFormat.JPEG,
      List.of("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"),
      new Sizes(2_234, 22_341, 223_414, 234, 668)),

  /** Frontal radiographs, 1024 x 1024 DICOM: 8-bit JPEG inside. */
  RSNA(
      "rsna",
      "RSNA Pneumonia",
      "",
      ImageFormat.DICOM,
      List.of("Pneumonia"),
      new Sizes(251, 2_518, 25_184, 1_500, 3_000));

  public static final String VALIDATION_LIST = "val_list.txt";
  public static final String TEST_LIST = "test_list.txt";

  /** Training lists by the percentage of the labels that they have. */
  private static final Map<Integer, String> TRAINING_LISTS =
      Map.of(1, "train_1.txt", 10, "train_10.txt", 100, "train_list.txt");

  /** Images of each list. */
  private record Sizes(int train1, int train10, int train100, int validation, int test) {}

  private final String id;
  private final String title;
  private final String imageFolder;
  private final ImageFormat format;
  private final List<String> labels;
  private final Sizes sizes;

  StudyData(
      String id,
      String title,
      String imageFolder,
      ImageFormat format,
      List<String> labels,
      Sizes sizes) {
    this.id = id;
    this.title = title;
    this.imageFolder = imageFolder;
    this.format = format;
    this.labels = labels;
    this.sizes = sizes;
  }

  /** The data set called {@code nih}, {@code chexpert} or {@code rsna}. */
  public static StudyData named(String id) {
    return Arrays.stream(values())
        .filter(data -> data.id.equals(id))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "data set '"
                        + id
                        + "': expected "
                        + Arrays.stream(values())
                            .map(StudyData::id)
                            .collect(Collectors.joining(", "))));
  }

  /** The file name of the list with 1, 10 or 100 % of the training images. */
  public static String trainingList(int percent) {
    String list = TRAINING_LISTS.get(percent);
    if (list == null) {
      throw new IllegalArgumentException(
          "training list of " + percent + " %: the study has 1, 10 and 100");
    }
    return list;
  }

  /** The file names of all lists, training first. */
  public static List<String> lists() {
    return List.of(
        trainingList(1), trainingList(10), trainingList(100), VALIDATION_LIST, TEST_LIST);
  }

  /** What the command line calls it. */
  public String id() {
    return id;
  }

  /** What people call it. */
  public String title() {
    return title;
  }

  /** The labels' names, in the lists' order. */
  public List<String> labels() {
    return labels;
  }

  /** The images' format. */
  public ImageFormat format() {
    return format;
  }

  /**
   * Where the images lie that a list's paths are relative to.
   *
   * @param folder with the lists
   */
  public Path images(Path folder) {
    return folder.resolve(imageFolder);
  }

  /**
   * Images that the study's list of this name has.
   *
   * @throws IllegalArgumentException if {@link #lists} does not have the name
   */
  public int size(String list) {
    return switch (list) {
      case "train_1.txt" -> sizes.train1;
      case "train_10.txt" -> sizes.train10;
      case "train_list.txt" -> sizes.train100;
      case VALIDATION_LIST -> sizes.validation;
      case TEST_LIST -> sizes.test;
      default -> throw new IllegalArgumentException("list '" + list + "': expected " + lists());
    };
  }

  /**
   * Reads one of the study's lists, and looks for every image.
   *
   * @param folder with the lists
   * @throws ImageListException if it is missing, is not of the format, or lacks images
   */
  public ImageList read(Path folder, String list) {
    return ImageList.read(folder.resolve(list), images(folder), labels.size());
  }
}
