// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.HostTensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * Writes f32 tensors as PyTorch's {@code torch.save} writes a dictionary of them: a zip with a
 * pickle that describes the tensors and an entry for each one's elements.
 */
final class TorchCheckpoint {
  private final ByteArrayOutputStream pickle = new ByteArrayOutputStream();

  private TorchCheckpoint() {}

  static void write(Path file, Map<String, HostTensor> tensors) throws IOException {
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
      zip.setMethod(ZipOutputStream.STORED);
      put(zip, "archive/data.pkl", new TorchCheckpoint().describe(tensors));
      int key = 0;
      for (HostTensor tensor : tensors.values()) {
        put(zip, "archive/data/" + key++, tensor.data().toArray(ValueLayout.JAVA_BYTE));
      }
    }
  }

  private static void put(ZipOutputStream zip, String name, byte[] contents) throws IOException {
    CRC32 crc = new CRC32();
    crc.update(contents);
    ZipEntry entry = new ZipEntry(name);
    entry.setCrc(crc.getValue());
    entry.setSize(contents.length);
    zip.putNextEntry(entry);
    zip.write(contents);
  }

  /** Opcodes are those of Python's pickletools, protocol 2. */
  private byte[] describe(Map<String, HostTensor> tensors) {
    codes("\u0080\u0002}(");
    int key = 0;
    for (Map.Entry<String, HostTensor> named : tensors.entrySet()) {
      HostTensor tensor = named.getValue();
      text(named.getKey());
      global("torch._utils", "_rebuild_tensor_v2");
      codes("((");
      text("storage");
      global("torch", "FloatStorage");
      text(String.valueOf(key++));
      text("cpu");
      integer(tensor.elements());
      codes("tQ");
      integer(0);
      codes("(");
      for (long size : tensor.sizes()) {
        integer(size);
      }
      codes("t(");
      long stride = tensor.elements();
      for (long size : tensor.sizes()) {
        stride /= size;
        integer(stride);
      }
      codes("t\u0089");
      global("collections", "OrderedDict");
      codes(")RtR");
    }
    codes("u.");
    return pickle.toByteArray();
  }

  private void codes(String opcodes) {
    pickle.writeBytes(opcodes.getBytes(StandardCharsets.ISO_8859_1));
  }

  /** {@code GLOBAL}. */
  private void global(String module, String name) {
    codes("c" + module + "\n" + name + "\n");
  }

  /** {@code BINUNICODE}. */
  private void text(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    codes("X");
    little(bytes.length);
    pickle.writeBytes(bytes);
  }

  /** {@code BININT}. */
  private void integer(long value) {
    codes("J");
    little(Math.toIntExact(value));
  }

  private void little(int value) {
    for (int shift = 0; shift < 32; shift += 8) {
      pickle.write(value >> shift);
    }
  }
}
