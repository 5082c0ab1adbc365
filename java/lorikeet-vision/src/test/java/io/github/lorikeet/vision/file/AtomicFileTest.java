// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.file;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {
  @TempDir Path folder;

  private static void write(Path path, String text) {
    AtomicFile.write(
        path, channel -> AtomicFile.writeFully(channel, StandardCharsets.UTF_8.encode(text)));
  }

  @Test
  void aLinkStaysAndItsFileIsReplaced() throws IOException {
    Path real = Files.writeString(Files.createDirectory(folder.resolve("far")).resolve("a"), "old");
    Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("far/a"));
    write(link, "new");
    assertThat(link).isSymbolicLink().hasContent("new");
    Files.delete(real);
    write(link, "made");
    assertThat(link).isSymbolicLink();
    assertThat(real).hasContent("made");
    try (var files = Files.list(real.getParent())) {
      assertThat(files).containsExactly(real);
    }
  }

  @Test
  void aPipeIsWrittenTo() throws Exception {
    Path pipe = folder.resolve("pipe");
    assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor()).isZero();
    Path link = Files.createSymbolicLink(folder.resolve("link"), pipe);
    for (Path out : new Path[] {pipe, link}) {
      Process reader = new ProcessBuilder("cat", pipe.toString()).start();
      try {
        write(out, "text");
        assertThat(reader.waitFor(10, TimeUnit.SECONDS)).as("the reader came to an end").isTrue();
        assertThat(reader.getInputStream()).hasContent("text");
      } finally {
        reader.destroyForcibly();
      }
    }
    assertThat(link).isSymbolicLink();
    assertThat(Files.isRegularFile(pipe, LinkOption.NOFOLLOW_LINKS)).isFalse();
  }

  @Test
  void aFailureSaysWhyAndLeavesWhatWasThere() throws IOException {
    assertThatThrownBy(() -> write(folder, "text"))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessage(folder + ": cannot be written")
        .hasRootCauseMessage(folder + ": is a folder");
    assertThatThrownBy(() -> write(folder.resolve("none/a"), "text"))
        .hasMessage(folder.resolve("none/a") + ": cannot be written")
        .rootCause()
        .hasMessageEndingWith(": no such folder");
    Path file = Files.writeString(folder.resolve("a"), "old");
    assertThatThrownBy(
            () ->
                AtomicFile.write(
                    file,
                    channel -> {
                      AtomicFile.writeFully(channel, StandardCharsets.UTF_8.encode("half"));
                      throw new IOException("No space left on device");
                    }))
        .hasRootCauseMessage("No space left on device");
    assertThat(file).hasContent("old");
    assertThat(AtomicFile.part(file)).doesNotExist();
  }
}
