// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import com.fasterxml.jackson.core.JsonGenerator;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.file.AtomicFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;

/**
 * Writes safetensors files: the same tensors in the same order give the same bytes. The file
 * appears under its name only when it is complete.
 */
public final class SafetensorsWriter {
  /** The tensors' bytes start, and wide elements lie, at multiples of this. */
  private static final int ALIGNMENT = 8;

  private static final long CHUNK = 1L << 26;

  /**
   * A tensor to be written.
   *
   * @param data gives the elements, as many as the sizes say, when it is their turn to be written;
   *     asked once, and done with before the next tensor is asked
   */
  record Entry(String name, DType type, long[] sizes, Supplier<MemorySegment> data) {
    long bytes() {
      return Arrays.stream(sizes).reduce(type.bytes(), Math::multiplyExact);
    }
  }

  /** Where the bytes go, in order. */
  interface Sink {
    void write(ByteBuffer bytes) throws IOException;
  }

  private SafetensorsWriter() {}

  /**
   * Writes each tensor in its own type ({@link HostTensor#f16} halves a file), wider types first so
   * that every element is aligned, else in the map's order.
   *
   * @throws UncheckedIOException if the file cannot be written; one that was there is then
   *     unchanged
   */
  public static void write(Path path, Map<String, HostTensor> tensors) {
    write(path, tensors, Map.of());
  }

  /**
   * The same with text to go beside the tensors; {@code format: pt}, which other readers look for,
   * is always there.
   */
  public static void write(
      Path path, Map<String, HostTensor> tensors, Map<String, String> metadata) {
    List<Entry> entries = new ArrayList<>();
    tensors.forEach((name, t) -> entries.add(new Entry(name, t.type(), t.sizes(), t::data)));
    AtomicFile.write(
        path, channel -> write(entries, metadata, bytes -> AtomicFile.writeFully(channel, bytes)));
  }

  static void write(List<Entry> entries, Map<String, String> metadata, Sink sink)
      throws IOException {
    List<Entry> ordered = new ArrayList<>(entries);
    ordered.sort(Comparator.comparing(entry -> -entry.type().bytes()));
    byte[] header = header(ordered, metadata);
    ByteBuffer length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    sink.write(length.putLong(0, header.length));
    sink.write(ByteBuffer.wrap(header));
    for (Entry entry : ordered) {
      MemorySegment data = entry.data().get();
      for (long begin = 0; begin < data.byteSize(); begin += CHUNK) {
        long bytes = Math.min(CHUNK, data.byteSize() - begin);
        sink.write(data.asSlice(begin, bytes).asByteBuffer());
      }
    }
  }

  private static byte[] header(List<Entry> tensors, Map<String, String> metadata) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = Json.FACTORY.createGenerator(bytes)) {
      json.writeStartObject();
      writeMetadata(json, metadata);
      long position = 0;
      for (Entry entry : tensors) {
        json.writeObjectFieldStart(entry.name());
        json.writeStringField("dtype", entry.type().name());
        writeLongs(json, "shape", entry.sizes());
        writeLongs(json, "data_offsets", position, position + entry.bytes());
        json.writeEndObject();
        position += entry.bytes();
      }
      json.writeEndObject();
    } catch (IOException e) {
      throw new WeightsException("a safetensors header cannot be made: " + e.getMessage(), e);
    }
    while (bytes.size() % ALIGNMENT != 0) {
      bytes.write(' ');
    }
    return bytes.toByteArray();
  }

  private static void writeMetadata(JsonGenerator json, Map<String, String> metadata)
      throws IOException {
    Map<String, String> all = new TreeMap<>(metadata);
    all.put("format", "pt");
    json.writeObjectFieldStart("__metadata__");
    for (Map.Entry<String, String> entry : all.entrySet()) {
      json.writeStringField(entry.getKey(), entry.getValue());
    }
    json.writeEndObject();
  }

  private static void writeLongs(JsonGenerator json, String key, long... values)
      throws IOException {
    json.writeArrayFieldStart(key);
    for (long value : values) {
      json.writeNumber(value);
    }
    json.writeEndArray();
  }
}
