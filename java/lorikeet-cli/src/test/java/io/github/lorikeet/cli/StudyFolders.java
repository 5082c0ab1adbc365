// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.vision.data.StudyData;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.imageio.ImageIO;

/**
 * The study's three data sets on a small scale, in their real formats, made of radiographs of one
 * folder: file names that start with "pneumonia" have the label that comes nearest, those with
 * "normal" none.
 */
final class StudyFolders {
  /** What a radiograph with pneumonia is said to show. */
  private static final Map<StudyData, String> POSITIVE =
      Map.of(
          StudyData.NIH, "Pneumonia",
          StudyData.CHEXPERT, "Consolidation",
          StudyData.RSNA, "Pneumonia");

  private static final String JPEG_BASELINE = "1.2.840.10008.1.2.4.50";

  private final List<Path> normal;
  private final List<Path> pneumonia;

  /**
   * @param source folder of JPEG files
   */
  StudyFolders(Path source) throws IOException {
    normal = files(source, "normal");
    pneumonia = files(source, "pneumonia");
  }

  private static List<Path> files(Path source, String prefix) throws IOException {
    try (Stream<Path> all = Files.list(source)) {
      List<Path> found =
          new ArrayList<>(
              all.filter(file -> file.getFileName().toString().startsWith(prefix))
                  .sorted()
                  .toList());
      Collections.shuffle(found, new Random(5));
      return found;
    }
  }

  /**
   * Writes a data set's lists and images.
   *
   * @param ten images of the list with 10 % of the labels, a part of those of the whole list
   */
  Path write(Path folder, StudyData data, int ten, int train, int validation, int test)
      throws IOException {
    Files.createDirectories(data.images(folder));
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < train + validation + test; i++) {
      List<Path> kind = i % 2 == 0 ? normal : pneumonia;
      String name = image(folder, data, kind.get(i / 2), i);
      lines.add(line(data, name, i % 2 == 1));
    }
    list(folder, StudyData.trainingList(10), lines.subList(0, ten));
    list(folder, StudyData.trainingList(100), lines.subList(0, train));
    list(folder, StudyData.VALIDATION_LIST, lines.subList(train, train + validation));
    list(folder, StudyData.TEST_LIST, lines.subList(train + validation, lines.size()));
    return folder;
  }

  /**
   * Lists as long as the study's, over one image.
   *
   * @return the folder
   */
  Path writeFullSize(Path folder, StudyData data) throws IOException {
    Files.createDirectories(data.images(folder));
    String name = image(folder, data, pneumonia.getFirst(), 0);
    for (String list : StudyData.lists()) {
      list(
          folder,
          list,
          IntStream.range(0, data.size(list)).mapToObj(i -> line(data, name, i % 2 == 1)).toList());
    }
    return folder;
  }

  private static void list(Path folder, String name, List<String> lines) throws IOException {
    Files.write(folder.resolve(name), lines);
  }

  private static String line(StudyData data, String name, boolean positive) {
    StringBuilder line = new StringBuilder(name);
    for (String label : data.labels()) {
      line.append(positive && label.equals(POSITIVE.get(data)) ? " 1" : " 0");
    }
    return line.toString();
  }

  /** Writes one image and returns its name in the lists. */
  private static String image(Path folder, StudyData data, Path source, int number) {
    try {
      return switch (data) {
        case NIH -> {
          String name = "%08d_000.png".formatted(number);
          ImageIO.write(
              ImageIO.read(source.toFile()), "png", data.images(folder).resolve(name).toFile());
          yield name;
        }
        case CHEXPERT -> {
          String name = "train/patient%05d/study1/view1_frontal.jpg".formatted(number);
          Files.createDirectories(folder.resolve(name).getParent());
          Files.copy(source, folder.resolve(name));
          yield name;
        }
        case RSNA -> {
          String name = "stage_2_train_images/%08x.dcm".formatted(number);
          Files.createDirectories(folder.resolve(name).getParent());
          Files.write(folder.resolve(name), dicom(source));
          yield name;
        }
      };
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A radiograph as RSNA's: an 8-bit JPEG in one fragment, explicit little endian. */
  private static byte[] dicom(Path source) throws IOException {
    var image = ImageIO.read(source.toFile());
    byte[] jpeg = Files.readAllBytes(source);
    byte[] uid = ascii(JPEG_BASELINE);
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    file.writeBytes(new byte[128]);
    file.writeBytes(ascii("DICM"));
    element(file, 0x0002, 0x0000, "UL", integer(8 + even(uid).length));
    element(file, 0x0002, 0x0010, "UI", uid);
    element(file, 0x0008, 0x0060, "CS", ascii("CR"));
    element(file, 0x0028, 0x0002, "US", word(1));
    element(file, 0x0028, 0x0004, "CS", ascii("MONOCHROME2"));
    element(file, 0x0028, 0x0010, "US", word(image.getHeight()));
    element(file, 0x0028, 0x0011, "US", word(image.getWidth()));
    element(file, 0x0028, 0x0100, "US", word(8));
    element(file, 0x0028, 0x0101, "US", word(8));
    element(file, 0x0028, 0x0102, "US", word(7));
    element(file, 0x0028, 0x0103, "US", word(0));
    // Pixel data of undefined length: an empty table of offsets, the picture, the end.
    file.writeBytes(tag(0x7FE0, 0x0010));
    file.writeBytes(ascii("OB\0\0"));
    file.writeBytes(integer(-1));
    file.writeBytes(tag(0xFFFE, 0xE000));
    file.writeBytes(integer(0));
    file.writeBytes(tag(0xFFFE, 0xE000));
    file.writeBytes(integer(even(jpeg).length));
    file.writeBytes(even(jpeg));
    file.writeBytes(tag(0xFFFE, 0xE0DD));
    file.writeBytes(integer(0));
    return file.toByteArray();
  }

  private static void element(
      ByteArrayOutputStream file, int group, int number, String form, byte[] value) {
    file.writeBytes(tag(group, number));
    file.writeBytes(ascii(form));
    file.writeBytes(word(even(value).length));
    file.writeBytes(even(value));
  }

  private static byte[] tag(int group, int number) {
    return little(4).putShort((short) group).putShort((short) number).array();
  }

  private static byte[] word(int value) {
    return little(2).putShort((short) value).array();
  }

  private static byte[] integer(int value) {
    return little(4).putInt(value).array();
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static byte[] even(byte[] value) {
    return Arrays.copyOf(value, value.length + value.length % 2);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
