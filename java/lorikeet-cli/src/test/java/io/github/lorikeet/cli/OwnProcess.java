// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A class of the command, or of its tests, in a JVM of its own. */
final class OwnProcess {
  private OwnProcess() {}

  /** Starts the command; what it says goes to a file. */
  static Process start(Path said, List<String> arguments) throws IOException {
    return start(said, of(Main.class, arguments));
  }

  /** Starts any of them likewise. */
  static Process start(Path said, ProcessBuilder process) throws IOException {
    return process.redirectErrorStream(true).redirectOutput(said.toFile()).start();
  }

  /**
   * @param main has a main method
   */
  static ProcessBuilder of(Class<?> main, List<String> arguments) {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                classPath(),
                main.getName()));
    command.addAll(arguments);
    return new ProcessBuilder(command);
  }

  /** Surefire puts the modules on the module path, and patches the tests in. */
  private static String classPath() {
    try {
      Path tests =
          Path.of(OwnProcess.class.getProtectionDomain().getCodeSource().getLocation().toURI());
      return String.join(
          File.pathSeparator,
          System.getProperty("jdk.module.path", ""),
          System.getProperty("java.class.path"),
          tests.toString());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }
}
