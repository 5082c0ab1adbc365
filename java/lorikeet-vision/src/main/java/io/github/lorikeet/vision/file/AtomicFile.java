// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.file;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/**
 * Writes files whole or not at all: into a neighbour of another name, which is then renamed. A link
 * stays a link, the file that it leads to is replaced. Pipes, devices and stdout are written
 * straight to.
 */
public final class AtomicFile {
  private static final String SUFFIX = ".part";
  private static final Path STDOUT = Path.of("/dev/stdout");

  /** Writes the bytes, in order. */
  public interface Body {
    void write(FileChannel channel) throws IOException;
  }

  private AtomicFile() {}

  /**
   * Replaces the file at {@code path} by what {@code body} writes.
   *
   * @throws UncheckedIOException naming it if that fails; a file that was there is then unchanged
   */
  public static void write(Path path, Body body) {
    write(path, null, body);
  }

  /**
   * The same, and keeps the file that was at {@code path} under another name. Between the two
   * renames there is no file at {@code path}.
   *
   * @param previous null to keep none
   */
  public static void write(Path path, Path previous, Body body) {
    try {
      if (isStdout(path)) {
        // Not opened anew: that would start at the beginning of a file that is appended to.
        body.write(new FileOutputStream(FileDescriptor.out).getChannel());
      } else if (isStream(path)) {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
          body.write(channel);
        }
      } else {
        replace(target(path), previous, body);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(path + ": cannot be written", e);
    }
  }

  /** Whether something is there that is written to and not replaced. */
  public static boolean isStream(Path path) throws IOException {
    return isStdout(path)
        || Files.exists(path) && !Files.isRegularFile(path) && !Files.isDirectory(path);
  }

  /** Whether it is what this process prints to, which may be a file. */
  private static boolean isStdout(Path path) throws IOException {
    return Files.exists(path) && Files.exists(STDOUT) && Files.isSameFile(path, STDOUT);
  }

  /** The file that is replaced: where a link leads. */
  public static Path target(Path path) throws IOException {
    if (Files.isRegularFile(path)) {
      return path.toRealPath();
    }
    return Files.isSymbolicLink(path)
        ? path.resolveSibling(Files.readSymbolicLink(path)) // to nothing yet
        : path;
  }

  /** Where the file is written before it has its name. */
  public static Path part(Path path) {
    return path.resolveSibling(path.getFileName() + SUFFIX);
  }

  /** Writes all of the bytes. */
  public static void writeFully(FileChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  private static void replace(Path path, Path previous, Body body) throws IOException {
    if (Files.isDirectory(path)) {
      throw new FileSystemException(path.toString(), null, "is a folder");
    }
    Path part = part(path);
    try {
      try (FileChannel channel = create(part)) {
        body.write(channel);
        channel.force(true);
      }
      if (previous != null && Files.exists(path)) {
        move(path, previous);
      }
      move(part, path);
    } finally {
      Files.deleteIfExists(part);
    }
  }

  private static FileChannel create(Path part) throws IOException {
    try {
      return FileChannel.open(
          part,
          StandardOpenOption.WRITE,
          StandardOpenOption.CREATE,
          StandardOpenOption.TRUNCATE_EXISTING);
    } catch (NoSuchFileException e) {
      throw new FileSystemException(part.toString(), null, "no such folder");
    }
  }

  private static void move(Path from, Path to) throws IOException {
    Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }
}
