// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.data;

import io.github.lorikeet.vision.file.FileProblem;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.zip.CRC32C;

/**
 * Images and their labels, in the study's format: a line an image, {@code path l1 .. lk}, each
 * label 0 or 1. The labels are the last fields of a line, so that paths may contain spaces; a
 * path's last word is never a number. Blank lines are skipped.
 *
 * <p>An image takes its name's bytes, a byte a label and four more: no object is kept for it.
 */
public final class ImageList {
  private static final int NAMED_FILES = 3;

  private final Path root;
  private final int labels;

  /** All names in UTF-8, one after the other, and where each ends. */
  private final byte[] names;

  private final int[] ends;

  /** [images, labels], each 0 or 1. */
  private final byte[] values;

  /** Takes the arrays as they are. */
  ImageList(Path root, int labels, byte[] names, int[] ends, byte[] values) {
    this.root = root;
    this.labels = labels;
    this.names = names;
    this.ends = ends;
    this.values = values;
  }

  /** Reads a list, paths relative to its own folder, with as many labels as its first line has. */
  public static ImageList read(Path list) {
    return read(list, null, -1);
  }

  /**
   * Reads a list and looks for every image.
   *
   * @param images folder that the paths are relative to; null for the list's own
   * @param labels labels a line; -1 to go by the first line
   * @throws ImageListException at the first line that is not of the format, or naming images that
   *     are missing
   */
  public static ImageList read(Path list, Path images, int labels) {
    ImageList read =
        scan(
            list,
            images,
            labels,
            (line, message) -> {
              throw new ImageListException(list + ":" + line + ": " + message);
            });
    if (read.size() == 0) {
      throw new ImageListException(list + ": lists no images; expected lines of a path and labels");
    }
    int[] missing = read.missing();
    if (missing.length > 0) {
      String first = read.name(missing[0]);
      throw new ImageListException(
          list
              + ": "
              + missing.length
              + " of "
              + read.size()
              + " images are missing in "
              + read.root
              + ": "
              + String.join(
                  ", ",
                  IntStream.of(missing)
                      .limit(NAMED_FILES)
                      .mapToObj(image -> ImageListParser.shortened(read.name(image)))
                      .toList())
              + (missing.length > NAMED_FILES ? ", ..." : "")
              + ImageListParser.hint(first));
    }
    return read;
  }

  /**
   * Reads the lines that are of the format and looks for no image.
   *
   * @param problems told about the other lines
   * @throws ImageListException if the file cannot be read
   */
  static ImageList scan(Path list, Path images, int labels, ImageListParser.Problems problems) {
    Path root = images == null ? list.toAbsolutePath().getParent() : images;
    ImageListParser parser = new ImageListParser(root, labels, problems);
    if (Files.isDirectory(list)) {
      throw new ImageListException(list + ": is a folder, expected a list of images");
    }
    if (Files.exists(list) && !Files.isRegularFile(list)) {
      throw new ImageListException(
          list
              + ": is no ordinary file: lists are not read from devices, pipes or process"
              + " substitution; write it to a file");
    }
    try (BufferedReader reader = Files.newBufferedReader(list)) {
      for (String line = nextLine(reader); line != null; line = nextLine(reader)) {
        parser.line(line);
      }
    } catch (CharacterCodingException e) {
      throw new ImageListException(list + ": not a list of images: it is not UTF-8 text", e);
    } catch (IOException e) {
      throw new ImageListException(list + ": " + FileProblem.of(e), e);
    }
    return parser.finish();
  }

  /** The next line, cut where it is too long for the parser; null after the last. */
  private static String nextLine(BufferedReader reader) throws IOException {
    int next = reader.read();
    if (next < 0) {
      return null;
    }
    StringBuilder line = new StringBuilder();
    for (; next >= 0 && next != '\n' && next != '\r'; next = reader.read()) {
      if (line.length() <= ImageListParser.MAX_LINE) {
        line.append((char) next);
      }
    }
    reader.mark(1);
    if (next == '\r' && reader.read() != '\n') {
      reader.reset();
    }
    return line.toString();
  }

  /** The images of several lists, one list after the other, without their labels. */
  public static ImageList joinUnlabelled(List<ImageList> lists) {
    ImageListParser joined = new ImageListParser(Path.of(""), 0, (line, message) -> {});
    for (ImageList list : lists) {
      for (int image = 0; image < list.size(); image++) {
        joined.add(list.path(image).toString());
      }
    }
    return joined.finish();
  }

  public int size() {
    return ends.length;
  }

  /** Labels an image. */
  public int labels() {
    return labels;
  }

  /** The image's path as the list has it. */
  public String name(int image) {
    int start = image == 0 ? 0 : ends[image - 1];
    return new String(names, start, ends[image] - start, StandardCharsets.UTF_8);
  }

  public Path path(int image) {
    return root.resolve(name(image));
  }

  /** All images' paths, made as they are asked for. */
  public Iterable<Path> paths() {
    return () -> IntStream.range(0, size()).mapToObj(this::path).iterator();
  }

  /** 0 or 1. */
  public int label(int image, int label) {
    return values[image * labels + label];
  }

  /** All labels: [images, labels], each 0 or 1. */
  public byte[] labelValues() {
    return values.clone();
  }

  /** The number of images and a checksum of their names and labels, to tell lists apart by. */
  public String checksum() {
    CRC32C sum = new CRC32C();
    for (int image = 0; image < size(); image++) {
      sum.update((name(image) + "\n").getBytes(StandardCharsets.UTF_8));
    }
    sum.update(values);
    return size() + " images %08x".formatted(sum.getValue());
  }

  /** Images without a file, in order. Folders on a network answer slowly, hence the threads. */
  private int[] missing() {
    return IntStream.range(0, size())
        .parallel()
        .filter(image -> !Files.isRegularFile(path(image)))
        .toArray();
  }
}
