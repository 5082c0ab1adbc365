// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.file;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.vision.image.ImageDecoder;
import io.github.lorikeet.vision.weights.Checkpoint;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileProblemTest {
  @Test
  void isSaidInWords() {
    assertThat(FileProblem.of(new NoSuchFileException("a"))).isEqualTo("no such file");
    assertThat(FileProblem.of(new AccessDeniedException("a"))).isEqualTo("permission denied");
    assertThat(FileProblem.of(new FileSystemException("a", null, "Not a directory")))
        .isEqualTo("Not a directory");
    assertThat(FileProblem.of(new IOException("No space left on device")))
        .isEqualTo("No space left on device");
  }

  @Test
  void ofImagesAndWeightsTheFileIsNamedOnce(@TempDir Path folder) throws IOException {
    Path loop = folder.resolve("loop");
    Files.createSymbolicLink(loop, loop);
    String message = loop + ": cannot be read: Too many levels of symbolic links";
    assertThatThrownBy(() -> ImageDecoder.read(loop)).hasMessageStartingWith(message);
    assertThatThrownBy(() -> Checkpoint.open(loop)).hasMessageStartingWith(message);
  }
}
