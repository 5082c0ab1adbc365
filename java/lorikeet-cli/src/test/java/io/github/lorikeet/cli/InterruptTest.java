// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What a terminate signal does, as Ctrl-C does: a test may have been started without the latter.
 */
class InterruptTest {
  @TempDir Path folder;

  /** Work that takes longer than anybody waits. */
  static final class Busy {
    private Busy() {}

    public static void main(String[] arguments) throws InterruptedException {
      try (Interrupt interrupt = new Interrupt()) {
        System.err.println(interrupt.requested() ? "too late" : "busy");
        Thread.sleep(3_600_000);
      }
    }
  }

  /** A command that fails as it ends after a signal, and says so once its work is closed. */
  static final class Failing {
    private Failing() {}

    public static void main(String[] arguments) throws InterruptedException {
      try (Interrupt interrupt = new Interrupt()) {
        System.err.println("busy");
        while (!interrupt.requested()) {
          Thread.sleep(1);
        }
      }
      Thread.sleep(500);
      System.err.println("what went wrong");
      Interrupt.commandEnded();
    }
  }

  private OwnProcess start(Class<?> main) throws Exception {
    return OwnProcess.start(folder.resolve("said.txt"), OwnProcess.of(main, List.of()));
  }

  @Test
  void whatTheCommandSaysAtItsEndIsHeard() throws Exception {
    try (OwnProcess process = start(Failing.class)) {
      process.awaitSaying("busy");
      process.interrupt();
      assertThat(process.exitCode()).isEqualTo(OwnProcess.SIGTERM);
      assertThat(process.said()).contains("what went wrong");
    }
  }

  @Test
  void theFirstIsAWishAndTheSecondEndsAtOnce() throws Exception {
    try (OwnProcess process = start(Busy.class)) {
      process.awaitSaying("busy");
      process.interrupt();
      process.awaitSaying("ending as soon as this step is done; Ctrl-C again ends at once");
      Thread.sleep(500);
      assertThat(process.isAlive()).isTrue();
      process.interrupt();
      assertThat(process.exitCode()).isEqualTo(OwnProcess.SIGTERM);
    }
  }
}
