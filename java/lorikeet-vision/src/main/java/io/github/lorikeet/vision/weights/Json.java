// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON of untrusted origin: nesting, numbers and names are bounded, keys may not repeat. */
final class Json {
  private static final int MAX_DEPTH = 16;
  private static final int MAX_NUMBER_LENGTH = 40;
  static final int MAX_NAME_LENGTH = 4096;

  /** Where the reader says that what does not end began, in its own terms. */
  private static final String MARKER = " \\(start marker at \\[[^]]*]\\)";

  /**
   * Without the shared table of names: that is for trusted input, and gives up by an exception of
   * its own when names collide.
   */
  static final JsonFactory FACTORY =
      JsonFactory.builder()
          .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
          .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(MAX_DEPTH)
                  .maxNumberLength(MAX_NUMBER_LENGTH)
                  .maxNameLength(MAX_NAME_LENGTH)
                  .build())
          .build();

  private Json() {}

  /**
   * The object that is the whole document, as Map, List, String, Long, Double, Boolean, null.
   *
   * @throws IOException if the document is not one JSON object
   */
  static Map<String, Object> readObject(byte[] document) throws IOException {
    return read(document, JsonToken.START_OBJECT, "expected an object", Json::object);
  }

  /**
   * The same of an array that is the whole document.
   *
   * @throws IOException if the document is not one JSON array
   */
  static List<Object> readArray(byte[] document) throws IOException {
    return read(document, JsonToken.START_ARRAY, "expected an array", Json::array);
  }

  /** Reads on from a document's first token. */
  private interface Body<T> {
    T read(JsonParser parser) throws IOException;
  }

  private static <T> T read(byte[] document, JsonToken first, String expected, Body<T> body)
      throws IOException {
    try (JsonParser parser = FACTORY.createParser(document)) {
      if (parser.nextToken() != first) {
        throw new IOException(expected);
      }
      T whole = body.read(parser);
      if (parser.nextToken() != null) {
        throw new IOException("more follows after its end");
      }
      return whole;
    }
  }

  /** What a reading exception says, without the text of the document. */
  static String problem(IOException e) {
    if (e instanceof JsonProcessingException json && json.getLocation() != null) {
      return "%s (byte %d)"
          .formatted(
              json.getOriginalMessage().replaceAll(MARKER, ""),
              Math.max(json.getLocation().getByteOffset(), 0));
    }
    return e.getMessage();
  }

  private static Map<String, Object> object(JsonParser parser) throws IOException {
    Map<String, Object> object = new LinkedHashMap<>();
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String key = parser.currentName();
      parser.nextToken();
      Object value = value(parser);
      if (object.containsKey(key)) {
        throw new IOException("the key " + WeightsException.quote(key) + " comes twice");
      }
      object.put(key, value);
    }
    return object;
  }

  private static List<Object> array(JsonParser parser) throws IOException {
    List<Object> array = new ArrayList<>();
    while (parser.nextToken() != JsonToken.END_ARRAY) {
      array.add(value(parser));
    }
    return array;
  }

  // Recursion ends at MAX_DEPTH, which the parser enforces.
  private static Object value(JsonParser parser) throws IOException {
    JsonToken token = parser.currentToken();
    if (token == null) {
      throw new IOException("it ends too early");
    }
    return switch (token) {
      case START_OBJECT -> object(parser);
      case START_ARRAY -> array(parser);
      case VALUE_STRING -> parser.getText();
      case VALUE_NUMBER_INT -> parser.getLongValue();
      case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      case VALUE_NULL -> null;
      default -> throw new IOException("unexpected " + token);
    };
  }
}
