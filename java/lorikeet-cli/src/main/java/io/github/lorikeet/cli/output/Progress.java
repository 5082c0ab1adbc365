// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.output;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.function.LongSupplier;

/**
 * Says how a long task stands: on a terminal one line that is drawn over, elsewhere a plain line
 * now and then. Not for several threads at once.
 */
public final class Progress implements AutoCloseable {
  /**
   * Where a task stands.
   *
   * @param epoch the one under way, from 1
   * @param epochs how many there will be; 0 for a task that has none and counts images
   * @param images seen so far, over all epochs
   * @param totalImages that will be seen
   * @param loss mean over the epoch so far, NaN before the first
   * @param auroc of the last validation, NaN before the first
   * @param memoryBytes the device's peak so far
   */
  public record State(
      int epoch,
      int epochs,
      long images,
      long totalImages,
      double loss,
      double auroc,
      long memoryBytes) {}

  /** A piece of the line; the least important ones give way when it is too narrow. */
  private record Piece(String text, int importance) {}

  private static final long LIVE_PERIOD = 100_000_000L;
  private static final long PLAIN_PERIOD = 10_000_000_000L;
  private static final String CLEAR = "\r\033[K";

  private final PrintStream out;
  private final int columns;
  private final LongSupplier nanoTime;
  private String task = "";
  private long begun;
  private long before;
  private long shown;
  private boolean drawn;
  private String part = "";
  private long partBegun;

  /**
   * @param columns the terminal's width, 0 where there is none
   * @param nanoTime such as {@link System#nanoTime}
   */
  public Progress(PrintStream out, int columns, LongSupplier nanoTime) {
    this.out = out;
    this.columns = columns;
    this.nanoTime = nanoTime;
  }

  /** On stderr: live when the launcher found a terminal there, plain otherwise. */
  public static Progress onStderr() {
    return new Progress(System.err, Integer.getInteger("lorikeet.columns", 0), System::nanoTime);
  }

  /** Starts the clock of a task. */
  public void begin(String task) {
    this.task = task;
    begun = nanoTime.getAsLong();
    before = 0;
    shown = columns > 0 ? begun - LIVE_PERIOD : begun;
  }

  /** Says that these images were done before the clock was started. */
  public void startFrom(long images) {
    before = images;
  }

  /** Starts the clock of a part of the task that counts its own images: a look at a list. */
  public void beginPart(String name) {
    part = name;
    partBegun = nanoTime.getAsLong();
  }

  /** Shows where the task stands, unless something was shown a moment ago: call it every step. */
  public void show(State state) {
    show(task, state, before, begun);
  }

  /** Shows where its part stands, likewise. */
  public void showPart(long images, long totalImages) {
    State state = new State(0, 0, images, totalImages, Double.NaN, Double.NaN, 0);
    show(task + "  " + part, state, 0, partBegun);
  }

  private void show(String name, State state, long first, long since) {
    long now = nanoTime.getAsLong();
    if (now - shown < (columns > 0 ? LIVE_PERIOD : PLAIN_PERIOD)) {
      return;
    }
    shown = now;
    double rate = (state.images() - first) / ((now - since) / 1e9);
    List<Piece> pieces = pieces(name, state, rate);
    if (columns > 0) {
      out.print(CLEAR + fit(pieces, columns - 1));
      out.flush();
      drawn = true;
    } else {
      out.println(join(pieces));
    }
  }

  /** Prints a line that stays. */
  public void say(String line) {
    clear();
    out.println(Format.printable(line));
  }

  /** Takes the live line away. */
  @Override
  public void close() {
    clear();
  }

  private void clear() {
    if (drawn) {
      out.print(CLEAR);
      out.flush();
      drawn = false;
    }
  }

  private static List<Piece> pieces(String name, State state, double rate) {
    double left = (state.totalImages() - state.images()) / rate;
    List<Piece> pieces = new ArrayList<>();
    pieces.add(new Piece(name, 9));
    String stand =
        state.epochs() > 0
            ? "epoch " + state.epoch() + "/" + state.epochs()
            : Format.count(state.images()) + "/" + Format.count(state.totalImages());
    pieces.add(new Piece(stand, 7));
    pieces.add(new Piece(Format.decimals(rate, rate < 10 ? 1 : 0) + " images/s", 3));
    if (!Double.isNaN(state.loss())) {
      pieces.add(new Piece("loss " + Format.decimals(state.loss(), 4), 4));
    }
    if (!Double.isNaN(state.auroc())) {
      pieces.add(new Piece("AUROC " + Format.decimals(state.auroc(), 3), 5));
    }
    if (state.memoryBytes() > 0) {
      pieces.add(new Piece("memory " + Format.bytes(state.memoryBytes()), 2));
    }
    pieces.add(new Piece(Format.clock(left) + " left", 6));
    return pieces;
  }

  private static String join(List<Piece> pieces) {
    return String.join("  ", pieces.stream().map(Piece::text).toList());
  }

  /** A line that wraps could not be drawn over. */
  private static String fit(List<Piece> all, int width) {
    List<Piece> pieces = new ArrayList<>(all);
    while (pieces.size() > 1 && join(pieces).length() > width) {
      pieces.remove(Collections.min(pieces, Comparator.comparingInt(Piece::importance)));
    }
    String line = join(pieces);
    return line.length() <= width ? line : line.substring(0, Math.max(0, width));
  }
}
