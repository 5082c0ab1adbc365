// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.data;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Images and their labels, in the study's format: a line an image, {@code path l1 .. lk}, each
 * label 0 or 1. The labels are the last fields of a line, so that paths may contain spaces; a
 * path's last word is never a number. Blank lines are skipped.
 */
public final class ImageList {
  private static final int NAMED_FILES = 3;

  /** A field that is meant as a label, be it a right one or not. */
  private static final Pattern NUMBER = Pattern.compile("[-+]?\\d++\\.?+\\d*+");

  private final Path root;
  private final int labels;
  private final List<String> names;

  /** [images, labels], each 0 or 1. */
  private final byte[] values;

  private ImageList(Path root, int labels, List<String> names, byte[] values) {
    this.root = root;
    this.labels = labels;
    this.names = names;
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
    Path root = images == null ? list.toAbsolutePath().getParent() : images;
    Parser parser = new Parser(list, root, labels);
    try (BufferedReader reader = Files.newBufferedReader(list)) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        parser.line(line);
      }
    } catch (NoSuchFileException e) {
      throw new ImageListException(list + ": no such file", e);
    } catch (CharacterCodingException e) {
      throw new ImageListException(list + ": not a list of images: it is not UTF-8 text", e);
    } catch (IOException e) {
      throw new ImageListException(list + ": cannot be read (" + e + ")", e);
    }
    return parser.finish();
  }

  /** The images of several lists with as many labels each, one list after the other. */
  public static ImageList join(List<ImageList> lists) {
    int labels = lists.getFirst().labels;
    List<String> names = new ArrayList<>();
    ByteArrayOutputStream values = new ByteArrayOutputStream();
    for (ImageList list : lists) {
      if (list.labels != labels) {
        throw new ImageListException(
            "lists of " + labels + " and of " + list.labels + " labels cannot be joined");
      }
      list.names.forEach(name -> names.add(list.root.resolve(name).toString()));
      values.writeBytes(list.values);
    }
    return new ImageList(Path.of(""), labels, List.copyOf(names), values.toByteArray());
  }

  public int size() {
    return names.size();
  }

  /** Labels an image. */
  public int labels() {
    return labels;
  }

  /** The image's path as the list has it. */
  public String name(int image) {
    return names.get(image);
  }

  public Path path(int image) {
    return root.resolve(names.get(image));
  }

  /** 0 or 1. */
  public int label(int image, int label) {
    return values[image * labels + label];
  }

  /** All labels: [images, labels], each 0 or 1. */
  public byte[] labelValues() {
    return values.clone();
  }

  private static final class Parser {
    private final Path list;
    private final Path root;
    private final List<String> names = new ArrayList<>();
    private final List<String> missing = new ArrayList<>();
    private int labels;
    private int lines;
    private int missingCount;
    private byte[] values = new byte[1024];

    Parser(Path list, Path root, int labels) {
      this.list = list;
      this.root = root;
      this.labels = labels;
    }

    void line(String text) {
      lines++;
      String line = (lines == 1 && text.startsWith("\uFEFF") ? text.substring(1) : text).strip();
      if (line.isEmpty()) {
        return;
      }
      int found = 0;
      int end = line.length();
      int start = startOfField(line, end);
      while (start > 0 && NUMBER.matcher(line).region(start, end).matches()) {
        found++;
        end = endBefore(line, start);
        start = startOfField(line, end);
      }
      if (labels < 0) {
        labels = found;
      }
      if (found != labels) {
        throw error("expected a path and " + labels + " labels, found " + found + " labels");
      }
      addLabels(line.substring(end).strip());
      addImage(line.substring(0, end));
    }

    private void addLabels(String fields) {
      if (labels == 0) {
        return;
      }
      int at = names.size() * labels;
      if (at + labels > values.length) {
        values = Arrays.copyOf(values, Math.max(2 * values.length, at + labels));
      }
      for (String field : fields.split("\\s+")) {
        if (!field.equals("0") && !field.equals("1")) {
          throw error("label '" + field + "': expected 0 or 1");
        }
        values[at++] = (byte) (field.charAt(0) - '0');
      }
    }

    private void addImage(String name) {
      try {
        if (!Files.isRegularFile(root.resolve(name)) && missingCount++ < NAMED_FILES) {
          missing.add(name);
        }
      } catch (InvalidPathException e) {
        throw error("'" + e.getInput() + "' cannot be a path: " + e.getReason());
      }
      names.add(name);
    }

    ImageList finish() {
      if (names.isEmpty()) {
        throw new ImageListException(
            list + ": lists no images; expected lines of a path and labels");
      }
      if (missingCount > 0) {
        throw new ImageListException(
            list
                + ": "
                + missingCount
                + " of "
                + names.size()
                + " images are missing in "
                + root
                + ": "
                + String.join(", ", missing)
                + (missingCount > NAMED_FILES ? ", ..." : ""));
      }
      return new ImageList(
          root, labels, List.copyOf(names), Arrays.copyOf(values, names.size() * labels));
    }

    private ImageListException error(String message) {
      return new ImageListException(list + ":" + lines + ": " + message);
    }
  }

  /** Where the field that ends here starts. */
  private static int startOfField(String line, int end) {
    int start = end;
    while (start > 0 && !Character.isWhitespace(line.charAt(start - 1))) {
      start--;
    }
    return start;
  }

  /** Where the field before the one that starts here ends. */
  private static int endBefore(String line, int start) {
    int end = start;
    while (end > 0 && Character.isWhitespace(line.charAt(end - 1))) {
      end--;
    }
    return end;
  }
}
