// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * The entries of a zip file (with or without the zip64 records for large ones), read in place:
 * entries stored as they are, as PyTorch stores all of its own, become views of the mapped file;
 * deflated ones are unpacked once. Checksums are not compared, as PyTorch can leave them out.
 * Records are those of PKWARE's APPNOTE.TXT, section 4.3.
 */
final class ZipDirectory {
  private static final int END_SIGNATURE = 0x06054b50;
  private static final int END64_SIGNATURE = 0x06064b50;
  private static final int END64_LOCATOR_SIGNATURE = 0x07064b50;
  private static final int ENTRY_SIGNATURE = 0x02014b50;
  private static final int LOCAL_SIGNATURE = 0x04034b50;
  private static final int END_BYTES = 22;
  private static final int END64_LOCATOR_BYTES = 20;
  private static final int ENTRY_BYTES = 46;
  private static final int LOCAL_BYTES = 30;
  private static final int MAX_COMMENT = 0xffff;
  private static final long SEE_ZIP64 = 0xffffffffL;
  private static final int ZIP64_FIELD = 1;
  private static final int ENCRYPTED = 1;
  private static final int STORED = 0;
  private static final int DEFLATED = 8;

  /** A large language model in one file has some thousands. */
  private static final int MAX_ENTRIES = 100_000;

  private static final int MAX_NAME = 1024;
  private static final long CHUNK = 1 << 20;

  private record Entry(int method, int flags, long packedSize, long size, long localOffset) {}

  private final MappedFile file;
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final Map<String, MemorySegment> unpacked = new LinkedHashMap<>();

  private ZipDirectory(MappedFile file) {
    this.file = file;
  }

  static boolean recognises(MappedFile file) {
    return file.size() >= END_BYTES && file.bytes().get(MappedFile.U32, 0) == LOCAL_SIGNATURE;
  }

  static ZipDirectory read(MappedFile file) {
    ZipDirectory directory = new ZipDirectory(file);
    directory.readEntries(directory.findEnd());
    return directory;
  }

  Set<String> names() {
    return entries.keySet();
  }

  /** An entry's bytes, valid while the file is open; null if there is no such entry. */
  MemorySegment contents(String name) {
    Entry entry = entries.get(name);
    if (entry == null) {
      return null;
    }
    MemorySegment packed = packed(name, entry);
    if (entry.method == STORED) {
      return packed;
    }
    return unpacked.computeIfAbsent(name, n -> inflate(n, entry, packed));
  }

  private long findEnd() {
    long first = Math.max(file.size() - END_BYTES - MAX_COMMENT, 0);
    for (long at = file.size() - END_BYTES; at >= first; at--) {
      if (u32(at) == END_SIGNATURE && at + END_BYTES + u16(at + 20) == file.size()) {
        return at;
      }
    }
    throw file.error(
        "starts as a zip file but has no directory at its end; it is not complete, get it again");
  }

  private void readEntries(long end) {
    long count = u16(end + 10);
    long bytes = Integer.toUnsignedLong(u32(end + 12));
    long at = Integer.toUnsignedLong(u32(end + 16));
    long locator = end - END64_LOCATOR_BYTES;
    if (locator >= 0 && u32(locator) == END64_LOCATOR_SIGNATURE) {
      long end64 = i64(locator + 8);
      if (end64 < 0 || u32(end64) != END64_SIGNATURE) {
        throw damaged("its zip64 record is missing");
      }
      count = i64(end64 + 32);
      bytes = i64(end64 + 40);
      at = i64(end64 + 48);
    }
    if (count < 0 || count > MAX_ENTRIES || bytes < 0 || at < 0 || at > end - bytes) {
      throw damaged("it is said to have %d entries in %d bytes at %d".formatted(count, bytes, at));
    }
    long directoryEnd = at + bytes;
    for (long i = 0; i < count; i++) {
      at = readEntry(at, directoryEnd);
    }
  }

  /** Returns where the next entry starts. */
  private long readEntry(long at, long directoryEnd) {
    if (at > directoryEnd - ENTRY_BYTES || u32(at) != ENTRY_SIGNATURE) {
      throw damaged("entry %d is not there".formatted(entries.size()));
    }
    int nameLength = u16(at + 28);
    int extraLength = u16(at + 30);
    long extra = at + ENTRY_BYTES + nameLength;
    long next = extra + extraLength + u16(at + 32);
    if (nameLength > MAX_NAME || next > directoryEnd) {
      throw damaged("entry %d is longer than the directory".formatted(entries.size()));
    }
    byte[] name = file.bytes().asSlice(at + ENTRY_BYTES, nameLength).toArray(ValueLayout.JAVA_BYTE);
    // In the order in which a zip64 field replaces those that do not fit.
    long[] values = {
      Integer.toUnsignedLong(u32(at + 24)),
      Integer.toUnsignedLong(u32(at + 20)),
      Integer.toUnsignedLong(u32(at + 42))
    };
    readZip64Field(extra, extra + extraLength, values);
    Entry entry = new Entry(u16(at + 10), u16(at + 8), values[1], values[0], values[2]);
    String text = new String(name, StandardCharsets.UTF_8);
    if (entries.put(text, entry) != null) {
      throw damaged("it has two entries " + WeightsException.quote(text));
    }
    return next;
  }

  private void readZip64Field(long at, long end, long[] values) {
    while (at <= end - 4) {
      int id = u16(at);
      long fieldEnd = at + 4 + u16(at + 2);
      if (fieldEnd > end) {
        throw damaged("an entry's extra field is cut short");
      }
      if (id == ZIP64_FIELD) {
        long value = at + 4;
        for (int i = 0; i < values.length; i++) {
          if (values[i] == SEE_ZIP64) {
            if (value > fieldEnd - Long.BYTES) {
              throw damaged("an entry's zip64 field is cut short");
            }
            values[i] = i64(value);
            value += Long.BYTES;
          }
        }
      }
      at = fieldEnd;
    }
  }

  private MemorySegment packed(String name, Entry entry) {
    String quoted = WeightsException.quote(name);
    if ((entry.flags & ENCRYPTED) != 0) {
      throw file.error("entry " + quoted + " is encrypted; expected a file of torch.save");
    }
    if (entry.method != STORED && entry.method != DEFLATED) {
      throw file.error(
          "entry %s is compressed by method %d; expected stored or deflated"
              .formatted(quoted, entry.method));
    }
    long local = entry.localOffset;
    if (local < 0 || local > file.size() - LOCAL_BYTES || u32(local) != LOCAL_SIGNATURE) {
      throw damaged("entry " + quoted + " is not where the directory says");
    }
    long start = local + LOCAL_BYTES + u16(local + 26) + u16(local + 28);
    boolean stored = entry.method == STORED;
    if (start > file.size()
        || entry.packedSize < 0
        || entry.packedSize > file.size() - start
        || entry.size < 0
        || (stored && entry.size != entry.packedSize)) {
      throw damaged(
          "entry %s is said to have %d bytes (%d unpacked) at %d of %d"
              .formatted(quoted, entry.packedSize, entry.size, start, file.size()));
    }
    return file.bytes().asSlice(start, entry.packedSize);
  }

  private MemorySegment inflate(String name, Entry entry, MemorySegment packed) {
    MemorySegment bytes = file.allocate(entry.size, name);
    long read = 0;
    long written = 0;
    try (Inflater inflater = new Inflater(true)) {
      while (!inflater.finished()) {
        if (inflater.needsInput()) {
          long chunk = Math.min(CHUNK, packed.byteSize() - read);
          inflater.setInput(packed.asSlice(read, chunk).asByteBuffer());
          read += chunk;
        }
        long room = Math.min(CHUNK, bytes.byteSize() - written);
        // The end mark may follow when all is written: room for one byte tells it from more.
        ByteBuffer output =
            room > 0 ? bytes.asSlice(written, room).asByteBuffer() : ByteBuffer.allocate(1);
        int count = inflater.inflate(output);
        written += count;
        boolean stuck = count == 0 && (!inflater.needsInput() || read == packed.byteSize());
        if (stuck || written > bytes.byteSize()) {
          break;
        }
      }
      if (!inflater.finished() || written != bytes.byteSize()) {
        throw damaged(
            "entry %s does not unpack to %d bytes"
                .formatted(WeightsException.quote(name), entry.size));
      }
    } catch (DataFormatException e) {
      throw WeightsException.in(
          file.path(), "the zip entry " + WeightsException.quote(name) + " is damaged", e);
    }
    return bytes;
  }

  private int u16(long at) {
    checkWithin(at, Short.BYTES);
    return Short.toUnsignedInt(file.bytes().get(MappedFile.U16, at));
  }

  private int u32(long at) {
    checkWithin(at, Integer.BYTES);
    return file.bytes().get(MappedFile.U32, at);
  }

  private long i64(long at) {
    checkWithin(at, Long.BYTES);
    return file.bytes().get(MappedFile.I64, at);
  }

  private void checkWithin(long at, int bytes) {
    if (at < 0 || at > file.size() - bytes) {
      throw damaged("a record is cut short");
    }
  }

  private WeightsException damaged(String problem) {
    return file.error("the zip directory is damaged: " + problem);
  }
}
