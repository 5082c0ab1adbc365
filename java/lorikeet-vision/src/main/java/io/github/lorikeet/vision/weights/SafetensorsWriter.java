// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import com.fasterxml.jackson.core.JsonGenerator;
import io.github.lorikeet.core.HostTensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes safetensors files: the same tensors in the same order give the same bytes. The file
 * appears under its name only when it is complete.
 */
public final class SafetensorsWriter {
  /** The tensors' bytes start, and wide elements lie, at multiples of this. */
  private static final int ALIGNMENT = 8;

  private static final long CHUNK = 1L << 26;

  private SafetensorsWriter() {}

  /**
   * Writes each tensor in its own type ({@link HostTensor#f16} halves a file), wider types first so
   * that every element is aligned, else in the map's order.
   *
   * @throws WeightsException if the file cannot be written; a file that was there is then unchanged
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
    List<Map.Entry<String, HostTensor>> ordered = new ArrayList<>(tensors.entrySet());
    ordered.sort(Comparator.comparing(entry -> -entry.getValue().type().bytes()));
    byte[] header = header(ordered, metadata);
    AtomicFile.write(
        path,
        channel -> {
          ByteBuffer length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
          AtomicFile.writeFully(channel, length.putLong(0, header.length));
          AtomicFile.writeFully(channel, ByteBuffer.wrap(header));
          for (Map.Entry<String, HostTensor> entry : ordered) {
            writeTensor(channel, entry.getValue());
          }
        });
  }

  private static void writeTensor(FileChannel channel, HostTensor tensor) throws IOException {
    for (long begin = 0; begin < tensor.bytes(); begin += CHUNK) {
      long bytes = Math.min(CHUNK, tensor.bytes() - begin);
      AtomicFile.writeFully(channel, tensor.data().asSlice(begin, bytes).asByteBuffer());
    }
  }

  private static byte[] header(
      List<Map.Entry<String, HostTensor>> tensors, Map<String, String> metadata) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = Json.FACTORY.createGenerator(bytes)) {
      json.writeStartObject();
      writeMetadata(json, metadata);
      long position = 0;
      for (Map.Entry<String, HostTensor> entry : tensors) {
        HostTensor tensor = entry.getValue();
        json.writeObjectFieldStart(entry.getKey());
        json.writeStringField("dtype", tensor.type().name());
        writeLongs(json, "shape", tensor.sizes());
        writeLongs(json, "data_offsets", position, position + tensor.bytes());
        json.writeEndObject();
        position += tensor.bytes();
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
