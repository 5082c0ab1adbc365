// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.vision.file.AtomicFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.zip.CRC32C;

/**
 * A file that is written again and again while a program may end at any moment: a safetensors file
 * with a checksum, CRC-32C of all bytes before it, as its last tensor. It is written beside its
 * place, brought to the disk and renamed; the one it replaces is kept until the next.
 */
public final class StateFile {
  private static final String CHECKSUM = "crc32c";
  private static final String PREVIOUS = ".previous";
  private static final long CHUNK = 1L << 26;

  private final Path path;
  private final List<SafetensorsWriter.Entry> entries = new ArrayList<>();

  /** A new state, to be filled by {@link #add} and written by {@link #write}. */
  public StateFile(Path path) {
    this.path = path;
  }

  /**
   * Adds a tensor.
   *
   * @param data gives the elements, off the heap, when it is their turn to be written; asked once,
   *     and done with before the next tensor is asked, so that all may use the same memory
   */
  public void add(String name, DType type, long[] sizes, Supplier<MemorySegment> data) {
    entries.add(new SafetensorsWriter.Entry(name, type, sizes, data));
  }

  /**
   * Replaces the file.
   *
   * @throws UncheckedIOException if that fails; the file that was there, or {@link #previous}, is
   *     whole then
   */
  public void write(Map<String, String> metadata) {
    CRC32C sum = new CRC32C();
    List<SafetensorsWriter.Entry> all = new ArrayList<>(entries);
    // Bytes are the narrowest type, and the writer puts narrow types last.
    all.add(
        new SafetensorsWriter.Entry(
            CHECKSUM,
            DType.U8,
            new long[] {Integer.BYTES},
            () ->
                MemorySegment.ofBuffer(
                    ByteBuffer.allocate(Integer.BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putInt(0, (int) sum.getValue()))));
    AtomicFile.write(
        path,
        previous(path),
        channel ->
            SafetensorsWriter.write(
                all,
                metadata,
                bytes -> {
                  sum.update(bytes.duplicate());
                  AtomicFile.writeFully(channel, bytes);
                }));
  }

  /** Where the file that the last {@link #write} replaced is kept. */
  public static Path previous(Path path) {
    return path.resolveSibling(path.getFileName() + PREVIOUS);
  }

  /** Whether there is a state, or the one before it, whatever is in it. */
  public static boolean exists(Path path) {
    return Files.exists(path) || Files.exists(previous(path));
  }

  /**
   * Opens a state for reading.
   *
   * @throws WeightsException if there is none, or its bytes are not those that were written
   */
  public static Checkpoint open(Path path) {
    try (MappedFile file = MappedFile.open(path)) {
      long end = file.size() - Integer.BYTES;
      if (end < 0 || crc32c(file.bytes(), end) != file.bytes().get(MappedFile.U32, end)) {
        throw file.error("its checksum is wrong: the file is damaged or not complete");
      }
    }
    return Checkpoint.open(path);
  }

  private static int crc32c(MemorySegment bytes, long end) {
    CRC32C sum = new CRC32C();
    for (long begin = 0; begin < end; begin += CHUNK) {
      sum.update(bytes.asSlice(begin, Math.min(CHUNK, end - begin)).asByteBuffer());
    }
    return (int) sum.getValue();
  }

  /**
   * Deletes a state and the one before it, where they are.
   *
   * @throws UncheckedIOException if they are there and stay
   */
  public static void delete(Path path) {
    try {
      Files.deleteIfExists(AtomicFile.part(path));
      Files.deleteIfExists(previous(path));
      Files.deleteIfExists(path);
    } catch (IOException e) {
      throw new UncheckedIOException(path + ": cannot be deleted", e);
    }
  }
}
