// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.output;

import io.github.lorikeet.vision.train.TrainingException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Keeps other runs away from a folder, or a file, as long as this one goes on. It goes with the
 * process, however that ends. Its own file stays: were it deleted, a run that had just opened it
 * and one that made a new one would both hold a lock.
 */
public final class OutputLock implements AutoCloseable {
  private static final String SUFFIX = ".lock";

  /** Null on a file system without locks, where nothing is kept out. */
  private final FileChannel channel;

  private OutputLock(FileChannel channel) {
    this.channel = channel;
  }

  /**
   * Makes the folder unless it exists, and locks it.
   *
   * @throws TrainingException if another run has locked it
   */
  public static OutputLock ofFolder(Path folder) {
    OutputFolder.create(folder);
    return hold(folder.resolve(SUFFIX), folder);
  }

  /**
   * Locks a file, by one whose name begins with a dot beside it; its folder exists.
   *
   * @throws TrainingException if another run has locked it
   */
  public static OutputLock ofFile(Path file) {
    return hold(file.resolveSibling("." + file.getFileName() + SUFFIX), file);
  }

  private static OutputLock hold(Path lockFile, Path output) {
    FileChannel channel = null;
    try {
      channel = FileChannel.open(lockFile, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      FileLock lock = channel.tryLock();
      if (lock != null) {
        return new OutputLock(channel);
      }
    } catch (OverlappingFileLockException e) {
      // Held by this process.
    } catch (IOException e) {
      close(channel);
      return new OutputLock(null);
    }
    close(channel);
    throw new TrainingException(
        output + ": another run is writing to it: wait for it or choose another --out");
  }

  @Override
  public void close() {
    close(channel);
  }

  private static void close(FileChannel channel) {
    try {
      if (channel != null) {
        channel.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(SUFFIX + " file: cannot be closed", e);
    }
  }
}
