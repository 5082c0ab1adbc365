// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.ffi;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/**
 * What {@code lorikeet.h} declares, read from its text.
 *
 * @param constants enumerators and numeric macros
 * @param functions prototypes by name, such as {@code lk_status lk_free(lk_device* device, void*
 *     block)}
 * @param structs fields by the struct's name
 */
record Header(
    SortedMap<String, Integer> constants,
    SortedMap<String, String> functions,
    SortedMap<String, List<Field>> structs) {

  /**
   * A struct's field.
   *
   * @param type without const, a star behind it where it is a pointer
   * @param count elements where it is an array, else 1
   */
  record Field(String type, String name, int count) {}

  private static final Map<String, Integer> SCALARS =
      Map.of("char", 1, "int32_t", 4, "uint32_t", 4, "float", 4, "int64_t", 8, "uint64_t", 8);

  static Header read() throws IOException {
    Path file = Path.of(System.getProperty("lorikeet.root"), "native", "include", "lorikeet.h");
    String text = Files.readString(file).replaceAll("(?s)/\\*.*?\\*/", " ");
    Header header = new Header(new TreeMap<>(), new TreeMap<>(), new TreeMap<>());
    for (MatchResult m : find("#define (LK_\\w+) (\\d+)", text)) {
      header.constants.put(m.group(1), Integer.parseInt(m.group(2)));
    }
    for (MatchResult m : find("(LK_\\w+) = (\\d+)", text)) {
      header.constants.put(m.group(1), Integer.parseInt(m.group(2)));
    }
    for (MatchResult m : find("LK_API ([^;(]*\\b(lk_\\w+)\\([^;]*\\));", text)) {
      header.functions.put(m.group(2), normal(m.group(1)).replace("(void)", "()"));
    }
    for (MatchResult m : find("typedef struct (\\w+) \\{(.*?)\\}", text)) {
      header.structs.put(m.group(1), header.fields(m.group(2)));
    }
    return header;
  }

  /** One space between words, none before stars, brackets and commas. */
  static String normal(String c) {
    return c.replaceAll("\\s+", " ").replaceAll(" ?\\* ?", "* ").strip();
  }

  private List<Field> fields(String body) {
    List<Field> fields = new ArrayList<>();
    for (MatchResult m : find("(?:const )?(\\w+\\*?) ([^;]+);", normal(body))) {
      for (String declared : m.group(2).split(", ")) {
        String[] parts = declared.split("[\\[\\]]");
        fields.add(new Field(m.group(1), parts[0], parts.length == 1 ? 1 : number(parts[1])));
      }
    }
    return fields;
  }

  private int number(String text) {
    return constants.containsKey(text) ? constants.get(text) : Integer.parseInt(text);
  }

  /** Byte offsets of a struct's fields by name, and its size as {@code sizeof}, by C's rules. */
  Map<String, Long> offsets(String struct) {
    Map<String, Long> offsets = new LinkedHashMap<>();
    long offset = 0;
    for (Field field : structs.get(struct)) {
      offset = roundUp(offset, alignment(field.type));
      offsets.put(field.name, offset);
      offset += size(field.type) * field.count;
    }
    offsets.put("sizeof", roundUp(offset, alignment(struct)));
    return offsets;
  }

  private long size(String type) {
    if (type.endsWith("*")) {
      return 8;
    }
    return structs.containsKey(type) ? offsets(type).get("sizeof") : SCALARS.get(type);
  }

  private long alignment(String type) {
    return structs.containsKey(type)
        ? structs.get(type).stream().mapToLong(field -> alignment(field.type)).max().orElseThrow()
        : size(type);
  }

  private static long roundUp(long value, long multiple) {
    return (value + multiple - 1) / multiple * multiple;
  }

  private static List<MatchResult> find(String pattern, String text) {
    return Pattern.compile(pattern, Pattern.DOTALL).matcher(text).results().toList();
  }
}
