// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Reads the safetensors format: the header's length (u64), the header (JSON: name to dtype, shape
 * and data_offsets), the tensors' bytes. The tensors must fill the bytes exactly, without overlap
 * or gap, so that a file cut short or grown is found out.
 */
final class SafetensorsReader {
  /** A large language model in one file has some thousands of tensors, at 100 bytes each. */
  private static final long MAX_HEADER_BYTES = 8L << 20;

  private static final int MAX_TENSORS = 50_000;

  private static final int LENGTH_BYTES = 8;

  private record Entry(String name, ElementType type, long[] sizes, long begin, long end) {}

  private final MappedFile file;
  private final List<Entry> entries = new ArrayList<>();
  private final Contents contents = new Contents();

  private SafetensorsReader(MappedFile file) {
    this.file = file;
  }

  /** Whether the file looks like safetensors: a plausible header length, then a brace. */
  static boolean recognises(MappedFile file) {
    return file.size() > LENGTH_BYTES
        && file.bytes().get(ValueLayout.JAVA_BYTE, LENGTH_BYTES) == '{'
        && file.bytes().get(MappedFile.I64, 0) > 0;
  }

  static Contents read(MappedFile file) {
    return new SafetensorsReader(file).read();
  }

  private Contents read() {
    long headerBytes = file.bytes().get(MappedFile.I64, 0);
    if (headerBytes > MAX_HEADER_BYTES || headerBytes > file.size() - LENGTH_BYTES) {
      throw file.error(
          "the safetensors header is said to be %d bytes long, but the file has %d and %d are the"
                  .formatted(headerBytes, file.size(), MAX_HEADER_BYTES)
              + " most allowed; the file is damaged or not complete");
    }
    byte[] header = file.bytes().asSlice(LENGTH_BYTES, headerBytes).toArray(ValueLayout.JAVA_BYTE);
    try (JsonParser parser = Json.FACTORY.createParser(header)) {
      parseHeader(parser);
    } catch (IOException e) {
      throw headerError(Json.problem(e), e);
    }
    MemorySegment data = file.bytes().asSlice(LENGTH_BYTES + headerBytes);
    checkLayout(data.byteSize());
    for (Entry entry : entries) {
      addTensor(entry, data);
    }
    return contents;
  }

  private void parseHeader(JsonParser parser) throws IOException {
    expect(parser.nextToken(), JsonToken.START_OBJECT, "the header", "");
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String name = parser.currentName();
      parser.nextToken();
      if (name.equals("__metadata__")) {
        parseMetadata(parser);
      } else {
        entries.add(parseEntry(parser, name));
        if (entries.size() > MAX_TENSORS) {
          throw headerError("it has more than %d tensors".formatted(MAX_TENSORS), null);
        }
      }
    }
    if (parser.nextToken() != null) {
      throw headerError("more follows after its end", null);
    }
  }

  private void parseMetadata(JsonParser parser) throws IOException {
    expect(parser.currentToken(), JsonToken.START_OBJECT, "__metadata__", "");
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String key = parser.currentName();
      expect(parser.nextToken(), JsonToken.VALUE_STRING, "__metadata__", key);
      contents.metadata.put(key, parser.getText());
    }
  }

  private Entry parseEntry(JsonParser parser, String name) throws IOException {
    expect(parser.currentToken(), JsonToken.START_OBJECT, name, "");
    String dtype = null;
    long[] sizes = null;
    long[] offsets = null;
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String key = parser.currentName();
      parser.nextToken();
      switch (key) {
        case "dtype" -> {
          expect(parser.currentToken(), JsonToken.VALUE_STRING, name, key);
          dtype = parser.getText();
        }
        case "shape" -> sizes = parseLongs(parser, name, key, StoredTensor.MAX_RANK);
        case "data_offsets" -> offsets = parseLongs(parser, name, key, 2);
        default ->
            throw headerError(
                "%s has the unknown key %s"
                    .formatted(WeightsException.quote(name), WeightsException.quote(key)),
                null);
      }
    }
    if (dtype == null || sizes == null || offsets == null || offsets.length != 2) {
      throw headerError(
          WeightsException.quote(name) + " lacks one of dtype, shape, data_offsets (two numbers)",
          null);
    }
    ElementType type = ElementType.ofSafetensors(dtype);
    if (type == null) {
      throw headerError(
          "%s has the unknown dtype %s"
              .formatted(WeightsException.quote(name), WeightsException.quote(dtype)),
          null);
    }
    return new Entry(name, type, sizes, offsets[0], offsets[1]);
  }

  private long[] parseLongs(JsonParser parser, String name, String key, int most)
      throws IOException {
    expect(parser.currentToken(), JsonToken.START_ARRAY, name, key);
    long[] values = new long[most];
    int count = 0;
    while (parser.nextToken() != JsonToken.END_ARRAY) {
      expect(parser.currentToken(), JsonToken.VALUE_NUMBER_INT, name, key);
      if (count == most) {
        throw headerError(
            "%s has more than %d numbers in %s".formatted(WeightsException.quote(name), most, key),
            null);
      }
      long value = parser.getLongValue();
      if (value < 0) {
        throw headerError(
            "%s has the negative number %d in %s"
                .formatted(WeightsException.quote(name), value, key),
            null);
      }
      values[count++] = value;
    }
    return Arrays.copyOf(values, count);
  }

  private void checkLayout(long dataBytes) {
    List<Entry> ordered = new ArrayList<>(entries);
    ordered.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
    long position = 0;
    for (Entry entry : ordered) {
      if (entry.begin != position || entry.end < entry.begin || entry.end > dataBytes) {
        throw file.error(
            "%s has data_offsets [%d, %d], expected to start at %d and to end within %d bytes; the"
                    .formatted(
                        WeightsException.quote(entry.name),
                        entry.begin,
                        entry.end,
                        position,
                        dataBytes)
                + " file is damaged or not complete");
      }
      position = entry.end;
    }
    if (position != dataBytes) {
      throw file.error(
          "%d bytes of tensors follow the header, which describes %d; the file is damaged"
              .formatted(dataBytes, position));
    }
  }

  private void addTensor(Entry entry, MemorySegment data) {
    long bytes;
    try {
      bytes = Math.multiplyExact(StoredTensor.elements(entry.sizes), entry.type.bytes());
    } catch (ArithmeticException e) {
      bytes = -1;
    }
    if (bytes != entry.end - entry.begin) {
      throw file.error(
          "%s is %s %s but its data_offsets [%d, %d] span %d bytes; the file is damaged"
              .formatted(
                  WeightsException.quote(entry.name),
                  entry.type,
                  Arrays.toString(entry.sizes),
                  entry.begin,
                  entry.end,
                  entry.end - entry.begin));
    }
    contents.add(
        file,
        entry.name,
        new StoredTensor(
            entry.type,
            entry.sizes,
            StoredTensor.contiguous(entry.sizes),
            data.asSlice(entry.begin, bytes)));
  }

  private void expect(JsonToken found, JsonToken expected, String name, String key) {
    if (found != expected) {
      throw headerError(
          "%s: expected %s, found %s"
              .formatted(WeightsException.quote(name + " " + key), expected, found),
          null);
    }
  }

  private WeightsException headerError(String problem, Throwable cause) {
    return WeightsException.in(
        file.path(), "the safetensors header is not valid: " + problem, cause);
  }
}
