// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import io.github.lorikeet.vision.file.FileProblem;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A file mapped read-only, and the memory that reading it may take besides: copies are made for
 * tensors the file does not hold as they are needed (compressed, strided, f64). What they may add
 * up to is bounded by the file's size, whatever the file says.
 */
final class MappedFile implements AutoCloseable {
  static final ValueLayout.OfShort U16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfLong I64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfDouble F64 =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfFloat F32 =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final long EXTRA_BYTES = 64L << 20;
  private static final long ALIGNMENT = 64;

  private final Path path;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment bytes;
  private long allowance;

  private MappedFile(Path path) throws IOException {
    this.path = path;
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    } catch (IOException | RuntimeException e) {
      arena.close();
      throw e;
    }
    allowance = bytes.byteSize() + EXTRA_BYTES;
  }

  static MappedFile open(Path path) {
    if (Files.exists(path) && !Files.isRegularFile(path)) {
      throw WeightsException.in(path, "is no ordinary file; expected a file of weights");
    }
    try {
      return new MappedFile(path);
    } catch (NoSuchFileException e) {
      throw WeightsException.in(path, "no such file", e);
    } catch (IOException e) {
      throw WeightsException.in(path, "cannot be read: " + FileProblem.of(e), e);
    }
  }

  Path path() {
    return path;
  }

  MemorySegment bytes() {
    return bytes;
  }

  long size() {
    return bytes.byteSize();
  }

  /**
   * Zeroed memory that lives as long as the file stays open.
   *
   * @param name of what the memory is for, for the message, should the file ask for too much
   */
  MemorySegment allocate(long size, String name) {
    charge(size, name);
    return arena.allocate(size, ALIGNMENT);
  }

  /** Counts memory that is allocated elsewhere, with the same bound as {@link #allocate}. */
  void charge(long size, String name) {
    if (size < 0 || size > allowance) {
      throw error(
          "%s would need %d bytes of memory, more than a file of %d bytes may ask for; the file is"
                  .formatted(WeightsException.quote(name), size, size())
              + " damaged, or save it again uncompressed and with contiguous tensors");
    }
    allowance -= size;
  }

  WeightsException error(String problem) {
    return WeightsException.in(path, problem);
  }

  /** Has no effect the second time. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
