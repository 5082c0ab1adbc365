// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * What a terminate signal does, as Ctrl-C does: a test may have been started without the latter.
 */
class InterruptTest {
  private static final int SIGTERM = 143;

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

  private interface Then {
    void check(Process process, Path said) throws Exception;
  }

  /** Starts the class and sends it a signal once it is busy. */
  private void interrupt(Class<?> main, Then then) throws Exception {
    Path said = folder.resolve("said.txt");
    Process process = OwnProcess.start(said, OwnProcess.of(main, List.of()));
    try {
      waitFor(said, "busy");
      process.destroy();
      then.check(process, said);
    } finally {
      process.destroyForcibly();
    }
  }

  @Test
  @Timeout(60)
  void whatTheCommandSaysAtItsEndIsHeard() throws Exception {
    interrupt(
        Failing.class,
        (process, said) -> {
          assertThat(process.waitFor()).isEqualTo(SIGTERM);
          assertThat(said).content().contains("what went wrong");
        });
  }

  @Test
  @Timeout(60)
  void theFirstIsAWishAndTheSecondEndsAtOnce() throws Exception {
    interrupt(
        Busy.class,
        (process, said) -> {
          waitFor(said, "ending as soon as this step is done; Ctrl-C again ends at once");
          assertThat(process.waitFor(500, TimeUnit.MILLISECONDS)).as("ended").isFalse();
          process.destroy();
          assertThat(process.waitFor()).isEqualTo(SIGTERM);
        });
  }

  private static void waitFor(Path said, String text) throws Exception {
    while (!Files.readString(said).contains(text)) {
      Thread.sleep(5);
    }
  }
}
