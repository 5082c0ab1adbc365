// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The README's Java is what it says: it compiles and runs. */
class ReadmeTest {
  private static final Pattern EXAMPLE = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);

  @Test
  void theExampleRuns(@TempDir Path folder) throws Exception {
    Path root = Path.of(System.getProperty("lorikeet.root"));
    Matcher example = EXAMPLE.matcher(Files.readString(root.resolve("README.md")));
    assertThat(example.find()).isTrue();
    Path source = folder.resolve("Example.java");
    Files.writeString(
        source,
        """
        import io.github.lorikeet.core.*;
        import io.github.lorikeet.core.autograd.*;
        import java.util.List;

        void main() {
        %s}
        """
            .formatted(example.group(1)));
    Process java =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=lorikeet.core",
                "--module-path",
                root.resolve("java/lorikeet-core/target/classes").toString(),
                "--add-modules",
                "lorikeet.core",
                source.toString())
            .redirectErrorStream(true)
            .start();
    String said = new String(java.getInputStream().readAllBytes());
    assertThat(java.waitFor()).as(said).isZero();
  }
}
