// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.output;

import io.github.lorikeet.vision.file.AtomicFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** A file a command writes its results to, anywhere. It is whole or not there. */
public final class OutputFile {
  private OutputFile() {}

  /**
   * Makes the file's folder unless it exists, and makes sure now, before hours of work, that the
   * file can be written.
   *
   * @param inputs what the command reads, which it must not replace
   * @throws IllegalArgumentException if it is a folder or an input
   * @throws UncheckedIOException if it cannot be written
   */
  public static void check(Path file, Iterable<Path> inputs) {
    if (Files.isDirectory(file)) {
      throw new IllegalArgumentException(file + ": is a folder; expected a file to write");
    }
    try {
      if (AtomicFile.isStream(file)) {
        return;
      }
      if (Files.exists(file)) {
        for (Path input : inputs) {
          if (Files.exists(input) && Files.isSameFile(file, input)) {
            throw new IllegalArgumentException(
                file + ": would replace " + input + ", which is read; write to another file");
          }
        }
      }
      OutputFolder.create(AtomicFile.target(file).toAbsolutePath().getParent());
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": cannot be written", e);
    }
  }

  /** Adds a line to a file, which is written out at once. */
  public static void append(Path file, String line) {
    try {
      Files.writeString(file, line + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": cannot be written", e);
    }
  }

  /** Replaces a file by the text given. */
  public static void write(Path file, String text) {
    AtomicFile.write(
        file, channel -> AtomicFile.writeFully(channel, StandardCharsets.UTF_8.encode(text)));
  }
}
