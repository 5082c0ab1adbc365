// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.log;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Map;

/**
 * A TensorBoard event file: scalars by tag and step. A folder may have several, one each time its
 * run was started: TensorBoard joins them, and forgets of an earlier one what a later one repeats.
 * Not for several threads at once.
 */
public final class EventFile implements AutoCloseable {
  private static final String PREFIX = "events.out.tfevents.";
  private static final String VERSION = "brain.Event:2";

  /** SessionLog.SessionStatus.START */
  private static final int SESSION_START = 1;

  private final Path file;
  private final InstantSource clock;
  private final OutputStream out;

  private EventFile(Path file, InstantSource clock) throws IOException {
    this.file = file;
    this.clock = clock;
    out = new BufferedOutputStream(Files.newOutputStream(file, StandardOpenOption.CREATE_NEW));
  }

  /**
   * Starts a new file in the folder, named by the time.
   *
   * @param firstStep the first step it may have: a run that goes on repeats the steps after its
   *     last saved state
   * @throws UncheckedIOException if it cannot be written
   */
  public static EventFile create(Path folder, long firstStep, InstantSource clock) {
    Path path = folder.resolve(PREFIX + clock.millis());
    try {
      EventFile file = new EventFile(path, clock);
      file.write(file.event(0).text(3, VERSION));
      file.write(file.event(firstStep).message(7, new ProtocolBuffer().integer(1, SESSION_START)));
      file.flush();
      return file;
    } catch (IOException e) {
      throw new UncheckedIOException(path + ": cannot be written", e);
    }
  }

  /**
   * Deletes the folder's files that {@link #create} made; those of other programs have longer
   * names.
   *
   * @throws UncheckedIOException if one cannot be deleted
   */
  public static void deleteAll(Path folder) {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, PREFIX + "*")) {
      for (Path file : files) {
        if (file.getFileName().toString().substring(PREFIX.length()).matches("\\d+")) {
          Files.delete(file);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(folder + ": event files cannot be deleted", e);
    }
  }

  /**
   * Adds a value for each tag; one that is not a number is left out.
   *
   * @param step updates done
   */
  public void scalars(long step, Map<String, Double> values) {
    ProtocolBuffer summary = new ProtocolBuffer();
    boolean empty = true;
    for (Map.Entry<String, Double> value : values.entrySet()) {
      if (!value.getValue().isNaN()) {
        empty = false;
        summary.message(
            1, new ProtocolBuffer().text(1, value.getKey()).real(2, value.getValue().floatValue()));
      }
    }
    if (!empty) {
      write(event(step).message(5, summary));
    }
  }

  /** Makes what was added so far visible to readers. */
  public void flush() {
    try {
      out.flush();
    } catch (IOException e) {
      throw failed(e);
    }
  }

  @Override
  public void close() {
    try {
      out.close();
    } catch (IOException e) {
      throw failed(e);
    }
  }

  /** An event's wall time in seconds, and its step. */
  private ProtocolBuffer event(long step) {
    Instant now = clock.instant();
    ProtocolBuffer event = new ProtocolBuffer();
    event.real(1, now.getEpochSecond() + now.getNano() / 1e9);
    return step == 0 ? event : event.integer(2, step);
  }

  private void write(ProtocolBuffer event) {
    try {
      out.write(TfRecord.frame(event.toBytes()));
    } catch (IOException e) {
      throw failed(e);
    }
  }

  private UncheckedIOException failed(IOException e) {
    return new UncheckedIOException(file + ": cannot be written", e);
  }
}
