// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What a classifier's labels are called: in a file's metadata, a JSON array of strings. */
public final class LabelNames {
  private static final int LONGEST = 256;

  private LabelNames() {}

  /** What keeps names from being labels', such as "'a' stands twice"; null for nothing. */
  public static String problem(List<String> names) {
    Set<String> seen = new HashSet<>();
    for (String name : names) {
      String problem = problem(name);
      if (problem == null && !seen.add(name)) {
        problem = "stands twice";
      }
      if (problem != null) {
        return WeightsException.quote(name) + " " + problem;
      }
    }
    return null;
  }

  private static String problem(String name) {
    if (name.isBlank()) {
      return "is no name";
    }
    if (name.length() > LONGEST) {
      return "has %d characters, more than %d".formatted(name.length(), LONGEST);
    }
    return name.codePoints().allMatch(LabelNames::isPrintable)
        ? null
        : "has a character that cannot be printed";
  }

  private static boolean isPrintable(int character) {
    return switch (Character.getType(character)) {
      case Character.CONTROL,
          Character.SURROGATE,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          false;
      default -> true;
    };
  }

  static String toJson(List<String> names) {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = Json.FACTORY.createGenerator(text)) {
      json.writeStartArray();
      for (String name : names) {
        json.writeString(name);
      }
      json.writeEndArray();
    } catch (IOException e) {
      throw new WeightsException("label names cannot be written: " + e.getMessage(), e);
    }
    return text.toString();
  }

  /**
   * @throws IOException if the text is anything but an array of names that labels can have
   */
  static List<String> parse(String text) throws IOException {
    List<String> names = new ArrayList<>();
    for (Object name : Json.readArray(text.getBytes(StandardCharsets.UTF_8))) {
      if (!(name instanceof String string)) {
        throw new IOException("expected strings");
      }
      names.add(string);
    }
    String problem = problem(names);
    if (problem != null) {
      throw new IOException(problem);
    }
    return names;
  }
}
