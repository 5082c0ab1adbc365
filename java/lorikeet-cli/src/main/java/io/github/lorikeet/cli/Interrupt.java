// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import java.util.List;
import java.util.concurrent.CountDownLatch;

/**
 * Ctrl-C (or a terminate signal) as a wish: the command ends its work in good order before the JVM
 * goes. A second one ends the process at once.
 */
final class Interrupt implements AutoCloseable {
  /** Of the process, whose only command may leave its work before it says how that ended. */
  private static final CountDownLatch ENDED = new CountDownLatch(1);

  private final Thread hook = new Thread(this::await, "lorikeet-interrupt");
  private volatile boolean requested;

  Interrupt() {
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /** Whether to end now. */
  boolean requested() {
    return requested;
  }

  private void await() {
    requested = true;
    leaveSignalsToTheSystem();
    // A progress line may be under way on a terminal.
    String end = Integer.getInteger("lorikeet.columns", 0) > 0 ? "\n" : "";
    System.err.println(end + "ending as soon as this step is done; Ctrl-C again ends at once");
    try {
      ENDED.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Has another signal end the process: Java takes no notice of it once its shutdown has begun. */
  private static void leaveSignalsToTheSystem() {
    try {
      // By name: javac warns of this package whatever it is told.
      Class<?> signal = Class.forName("sun.misc.Signal");
      Class<?> handler = Class.forName("sun.misc.SignalHandler");
      Object system = handler.getField("SIG_DFL").get(null);
      for (String name : List.of("INT", "TERM")) {
        Object made = signal.getConstructor(String.class).newInstance(name);
        signal.getMethod("handle", signal, handler).invoke(null, made, system);
      }
    } catch (ReflectiveOperationException e) {
      // Then another one waits as the first does: no reason to end before the work is kept.
    }
  }

  /** The command has said all it has to: the JVM need not wait for it any longer. */
  static void commandEnded() {
    ENDED.countDown();
  }

  /** Signals end the process from now on, unless one has come: then the command says its end. */
  @Override
  public void close() {
    try {
      if (!requested) {
        Runtime.getRuntime().removeShutdownHook(hook);
      }
    } catch (IllegalStateException e) {
      // A signal has come just now.
    }
  }
}
