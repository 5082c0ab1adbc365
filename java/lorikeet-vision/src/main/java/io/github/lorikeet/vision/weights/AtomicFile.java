// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/** Writes files whole or not at all: into a neighbour of another name, which is then renamed. */
final class AtomicFile {
  private static final String SUFFIX = ".part";

  interface Body {
    void write(FileChannel channel) throws IOException;
  }

  private AtomicFile() {}

  /**
   * Replaces the file at {@code path} by what {@code body} writes.
   *
   * @throws WeightsException if that fails; a file that was there is then unchanged
   */
  static void write(Path path, Body body) {
    write(path, null, body);
  }

  /**
   * The same, and keeps the file that was at {@code path} under another name. Between the two
   * renames there is no file at {@code path}.
   *
   * @param previous null to keep none
   */
  static void write(Path path, Path previous, Body body) {
    Path part = part(path);
    try {
      try (FileChannel channel =
          FileChannel.open(
              part,
              StandardOpenOption.WRITE,
              StandardOpenOption.CREATE,
              StandardOpenOption.TRUNCATE_EXISTING)) {
        body.write(channel);
        channel.force(true);
      }
      if (previous != null && Files.exists(path)) {
        move(path, previous);
      }
      move(part, path);
    } catch (IOException | RuntimeException e) {
      delete(part, e);
      throw WeightsException.in(path, "cannot be written: " + e, e);
    }
  }

  /** Where the file is written before it has its name. */
  static Path part(Path path) {
    return path.resolveSibling(path.getFileName() + SUFFIX);
  }

  private static void move(Path from, Path to) throws IOException {
    Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  static void writeFully(FileChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  private static void delete(Path part, Exception cause) {
    try {
      Files.deleteIfExists(part);
    } catch (IOException e) {
      cause.addSuppressed(e);
    }
  }
}
