// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** A zip file laid out as torch.save does it, from a pickle and storages made by a test. */
final class TorchFile {
  private final Map<String, byte[]> entries = new LinkedHashMap<>();

  TorchFile(byte[] pickle) {
    entries.put("data.pkl", pickle);
  }

  TorchFile entry(String name, byte[] contents) {
    entries.put(name, contents);
    return this;
  }

  TorchFile floats(String key, float... values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (float value : values) {
      bytes.putFloat(value);
    }
    return entry("data/" + key, bytes.array());
  }

  Path store(Path path) throws IOException {
    return write(path, ZipEntry.STORED);
  }

  Path deflate(Path path) throws IOException {
    return write(path, ZipEntry.DEFLATED);
  }

  private Path write(Path path, int method) throws IOException {
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(path))) {
      for (Map.Entry<String, byte[]> contents : entries.entrySet()) {
        ZipEntry entry = new ZipEntry("archive/" + contents.getKey());
        entry.setMethod(method);
        if (method == ZipEntry.STORED) {
          CRC32 crc = new CRC32();
          crc.update(contents.getValue());
          entry.setCrc(crc.getValue());
          entry.setSize(contents.getValue().length);
        }
        zip.putNextEntry(entry);
        zip.write(contents.getValue());
      }
    }
    return path;
  }
}
