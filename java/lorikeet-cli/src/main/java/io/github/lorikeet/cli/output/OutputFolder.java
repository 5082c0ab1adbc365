// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.output;

import static java.nio.file.LinkOption.NOFOLLOW_LINKS;
import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.WRITE;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The folder a command writes its results to. A file in it is whole or not there. */
public final class OutputFolder {
  private final Path folder;

  private OutputFolder(Path folder) {
    this.folder = folder;
  }

  /**
   * Makes the folder unless it exists, and makes sure now, before hours of work, that files can be
   * written there.
   *
   * @throws UncheckedIOException if they cannot
   */
  public static OutputFolder create(Path folder) {
    try {
      Files.createDirectories(folder);
      // One name, so that what a run leaves that is killed here goes with the next.
      Path probe = folder.resolve(".writable");
      Files.deleteIfExists(probe);
      Files.newOutputStream(probe, CREATE, WRITE, NOFOLLOW_LINKS).close();
      Files.deleteIfExists(probe);
    } catch (IOException e) {
      throw new UncheckedIOException(folder + ": cannot write to this folder", e);
    }
    return new OutputFolder(folder);
  }

  /** The path of a file in the folder. */
  public Path path(String name) {
    return folder.resolve(name);
  }

  /** Replaces a file by the text given. */
  public void write(String name, String text) {
    OutputFile.write(path(name), text);
  }

  /** Adds a line to a file, which is written out at once. */
  public void append(String name, String line) {
    OutputFile.append(path(name), line);
  }
}
