// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.data;

import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Pattern;

/** Reads a list's lines one by one into arrays that grow. */
final class ImageListParser {
  /** What becomes of a line that is not of the format; it is left out of the list. */
  interface Problems {
    void wrongLine(int line, String message);
  }

  /** A field that is meant as a label, be it a right one or not. */
  private static final Pattern NUMBER = Pattern.compile("[-+]?\\d++\\.?+\\d*+");

  /** Characters of a line, far more than a path has. */
  static final int MAX_LINE = 8192;

  /** A path as it looks where labels are not set apart by spaces. */
  private static final Pattern SEPARATED = Pattern.compile("[,;](\\s*+" + NUMBER + ")?+$");

  private static final int SHOWN = 40;

  private final Path root;
  private final Problems problems;
  private int labels;
  private int lines;
  private int images;
  private byte[] names = new byte[1 << 12];
  private int[] ends = new int[1 << 8];
  private byte[] values = new byte[1 << 10];

  /**
   * @param labels a line; -1 to go by the first line
   */
  ImageListParser(Path root, int labels, Problems problems) {
    this.root = root;
    this.labels = labels;
    this.problems = problems;
  }

  /** Takes the next line; blank ones are skipped. */
  void line(String text) {
    lines++;
    if (text.length() > MAX_LINE) {
      problems.wrongLine(
          lines, "has more than " + MAX_LINE + " characters, expected a path and labels");
      return;
    }
    String line = (lines == 1 && text.startsWith("\uFEFF") ? text.substring(1) : text).strip();
    if (line.isEmpty()) {
      return;
    }
    int found = 0;
    int end = line.length();
    int start = startOfField(line, end);
    while (start > 0 && isNumber(line, start, end)) {
      found++;
      end = endBefore(line, start);
      start = startOfField(line, end);
    }
    if (labels < 0) {
      labels = found;
    }
    if (found != labels) {
      problems.wrongLine(
          lines,
          "expected a path and "
              + labels
              + " labels, found "
              + found
              + " labels"
              + hint(line.substring(0, end)));
    } else if (takeLabels(line, end) && isPath(line.substring(0, end))) {
      add(line.substring(0, end));
    }
  }

  ImageList finish() {
    return new ImageList(
        root,
        Math.max(labels, 0),
        Arrays.copyOf(names, images == 0 ? 0 : ends[images - 1]),
        Arrays.copyOf(ends, images),
        Arrays.copyOf(values, images * Math.max(labels, 0)));
  }

  /** What to do about a path that seems to have labels in it; empty for other paths. */
  static String hint(String path) {
    return SEPARATED.matcher(path).find() ? "; spaces or tabs go between fields, no commas" : "";
  }

  /** The start and the end of a text that is too long for a message. */
  static String shortened(String text) {
    return text.length() <= 2 * SHOWN
        ? text
        : text.substring(0, SHOWN) + "..." + text.substring(text.length() - SHOWN);
  }

  /** Puts the labels where the next image's belong. */
  private boolean takeLabels(String line, int from) {
    values = withRoom(values, (images + 1) * labels);
    int at = images * labels;
    int start = from;
    while (start < line.length()) {
      while (Character.isWhitespace(line.charAt(start))) {
        start++;
      }
      int end = start;
      while (end < line.length() && !Character.isWhitespace(line.charAt(end))) {
        end++;
      }
      char label = line.charAt(start);
      if (end - start > 1 || (label != '0' && label != '1')) {
        problems.wrongLine(
            lines, "label '" + shortened(line.substring(start, end)) + "': expected 0 or 1");
        return false;
      }
      values[at++] = (byte) (label - '0');
      start = end;
    }
    return true;
  }

  private boolean isPath(String name) {
    try {
      root.resolve(name);
      return true;
    } catch (InvalidPathException e) {
      problems.wrongLine(
          lines, "'" + shortened(e.getInput()) + "' cannot be a path: " + e.getReason());
      return false;
    }
  }

  /** Adds an image, the labels of which are in place. */
  void add(String name) {
    byte[] utf8 = name.getBytes(StandardCharsets.UTF_8);
    int from = images == 0 ? 0 : ends[images - 1];
    names = withRoom(names, from + utf8.length);
    System.arraycopy(utf8, 0, names, from, utf8.length);
    if (images == ends.length) {
      ends = Arrays.copyOf(ends, 2 * images);
    }
    ends[images++] = from + utf8.length;
  }

  private static byte[] withRoom(byte[] array, int size) {
    return size <= array.length ? array : Arrays.copyOf(array, Math.max(2 * array.length, size));
  }

  private static boolean isNumber(String line, int start, int end) {
    boolean digit = end - start == 1 && Character.isDigit(line.charAt(start));
    return digit || NUMBER.matcher(line).region(start, end).matches();
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
