// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.file.AtomicFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * Writes weights under the key {@code model} as {@code torch.save} does since PyTorch 1.6, so that
 * {@code torch.load} reads them, also with {@code weights_only}: a zip file with a pickle, and a
 * storage for each tensor. The same tensors in the same order give the same bytes, and the file
 * appears under its name only when it is complete.
 */
public final class TorchWriter {
  private static final String KEY = "model";
  private static final String FOLDER = "archive/";
  private static final int CHUNK = 1 << 20;

  private TorchWriter() {}

  /**
   * Writes each tensor in its own type, in the map's order.
   *
   * @throws UncheckedIOException if the file cannot be written; one that was there is then
   *     unchanged
   */
  public static void write(Path path, Map<String, HostTensor> tensors) {
    byte[] pickle = pickle(tensors);
    AtomicFile.write(
        path,
        channel -> {
          ZipOutputStream zip = new ZipOutputStream(Channels.newOutputStream(channel));
          write(zip, "data.pkl", MemorySegment.ofArray(pickle));
          write(zip, "byteorder", MemorySegment.ofArray(ascii("little")));
          int key = 0;
          for (HostTensor tensor : tensors.values()) {
            write(zip, "data/" + key++, tensor.data());
          }
          write(zip, "version", MemorySegment.ofArray(ascii("3\n")));
          zip.finish();
        });
  }

  /** Adds an entry as it is, which readers may map. */
  private static void write(ZipOutputStream zip, String name, MemorySegment data)
      throws IOException {
    CRC32 sum = new CRC32();
    each(data, sum::update);
    ZipEntry entry = new ZipEntry(FOLDER + name);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(data.byteSize());
    entry.setCrc(sum.getValue());
    // The day zip's clock starts: the time of writing is not part of the bytes. Its first tick
    // would be taken as an earlier time, which goes to a field of its own, by the time zone.
    entry.setTimeLocal(LocalDateTime.of(1980, 1, 1, 0, 0, 2));
    zip.putNextEntry(entry);
    byte[] chunk = new byte[(int) Math.min(CHUNK, data.byteSize())];
    each(data, part -> copy(part, chunk, zip));
    zip.closeEntry();
  }

  private interface Part {
    void take(ByteBuffer bytes) throws IOException;
  }

  private static void each(MemorySegment data, Part part) throws IOException {
    for (long begin = 0; begin < data.byteSize(); begin += CHUNK) {
      long bytes = Math.min(CHUNK, data.byteSize() - begin);
      part.take(data.asSlice(begin, bytes).asByteBuffer());
    }
  }

  private static void copy(ByteBuffer part, byte[] chunk, OutputStream out) throws IOException {
    int bytes = part.remaining();
    part.get(chunk, 0, bytes);
    out.write(chunk, 0, bytes);
  }

  // ---- The pickle: opcodes as Python's pickletools names them

  private static byte[] pickle(Map<String, HostTensor> tensors) {
    Pickle pickle = new Pickle();
    pickle.op(0x80, 2); // PROTO 2
    pickle.op('}').text(KEY).op('}', '('); // EMPTY_DICT, its key, EMPTY_DICT, MARK
    int key = 0;
    for (Map.Entry<String, HostTensor> entry : tensors.entrySet()) {
      pickle.text(entry.getKey());
      tensor(pickle, String.valueOf(key++), entry.getValue());
    }
    pickle.op('u', 's', '.'); // SETITEMS, SETITEM, STOP
    return pickle.bytes.toByteArray();
  }

  /** {@code _rebuild_tensor_v2(storage, 0, sizes, strides, False, OrderedDict())}. */
  private static void tensor(Pickle pickle, String key, HostTensor tensor) {
    String storage = ElementType.of(tensor.type()).torchStorage();
    pickle.global("torch._utils", "_rebuild_tensor_v2").op('(', '(');
    pickle.text("storage").global("torch", storage).text(key).text("cpu");
    pickle.integer(tensor.elements()).op('t', 'Q'); // TUPLE, BINPERSID
    pickle.integer(0).integers(tensor.sizes()).integers(StoredTensor.contiguous(tensor.sizes()));
    pickle.op(0x89); // NEWFALSE
    pickle.global("collections", "OrderedDict").op(')', 'R', 't', 'R'); // EMPTY_TUPLE, REDUCE, ..
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static final class Pickle {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    Pickle op(int... opcodes) {
      for (int opcode : opcodes) {
        bytes.write(opcode);
      }
      return this;
    }

    private Pickle little(long value, int count) {
      byte[] all =
          ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
      bytes.write(all, 0, count);
      return this;
    }

    /** BINUNICODE. */
    Pickle text(String text) {
      byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
      op('X').little(utf8.length, Integer.BYTES).bytes.writeBytes(utf8);
      return this;
    }

    /** GLOBAL. */
    Pickle global(String module, String name) {
      op('c').bytes.writeBytes(ascii(module + "\n" + name + "\n"));
      return this;
    }

    /** BININT, or LONG1 where that is too narrow. */
    Pickle integer(long value) {
      return value == (int) value
          ? op('J').little(value, Integer.BYTES)
          : op(0x8a, Long.BYTES).little(value, Long.BYTES);
    }

    /** A tuple of integers. */
    Pickle integers(long[] values) {
      op('(');
      for (long value : values) {
        integer(value);
      }
      return op('t');
    }
  }
}
