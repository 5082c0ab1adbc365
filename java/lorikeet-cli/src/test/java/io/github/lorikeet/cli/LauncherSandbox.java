// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/**
 * A made-up machine for the {@code lorikeet} script: a clone with a space in its path, a PATH of
 * few tools, a Maven and a JDK that only say what they were called with.
 */
final class LauncherSandbox {
  /** What a finished command left. */
  record Result(int exitCode, String out, String err) {}

  private static final String[] SYSTEM_TOOLS = {
    "sh",
    "awk",
    "cat",
    "cp",
    "cut",
    "date",
    "dirname",
    "env",
    "find",
    "flock",
    "grep",
    "mkdir",
    "mv",
    "readlink",
    "rm",
    "sed",
    "setsid",
    "sleep",
    "stty",
    "tee",
    "touch"
  };
  private static final String FAKE_MAVEN =
      """
      echo "$JAVA_HOME: $*" >>"$SANDBOX/maven.calls"
      echo "${CXX:-} ${LC_ALL:-}" >>"$SANDBOX/maven.environment"
      echo "[INFO] Building Lorikeet core 0.1.0 [1/1]"
      if [ -n "${MAVEN_SLEEP:-}" ]; then touch "$SANDBOX/maven.sleeps"; sleep "$MAVEN_SLEEP"; fi
      [ -z "${MAVEN_FAILS:-}" ] || { echo "[ERROR] broken source"; exit 1; }
      mkdir -p java/lorikeet-cli/target/lib
      echo jar >java/lorikeet-cli/target/lib/lorikeet.jar
      native=java/lorikeet-core/target/classes/META-INF/native/linux-x86_64
      mkdir -p "$native"
      case ${NVCC_FAILS:-no}$* in no*cuda=ON | no*cuda=AUTO) touch "$native/liblorikeet_cuda.so" ;; esac
      """;
  private static final String FAKE_JAVA =
      """
      for argument in "$@"; do echo "<$argument>"; done
      if [ -n "${JAVA_SLEEP:-}" ]; then touch "$SANDBOX/java.sleeps"; sleep "$JAVA_SLEEP"; fi
      exit "${JAVA_EXITS:-0}"
      """;

  final Path folder;
  final Path clone;
  final Path home;
  final Map<String, String> environment = new TreeMap<>();
  private final Map<Long, ProcessBuilder> running = new TreeMap<>();

  /** Lays out a machine that lacks nothing, with JDK 25.0.3 among the system's JVMs. */
  LauncherSandbox(Path folder) throws IOException {
    this.folder = folder;
    clone = folder.resolve("a clone");
    home = Files.createDirectories(folder.resolve("home"));
    layClone();
    for (String tool : SYSTEM_TOOLS) {
      script(bin().resolve(tool), "exec " + systemTool(tool) + " \"$@\"\n");
    }
    script(bin().resolve("cmake"), "echo \"$*\" >>\"$SANDBOX/cmake.calls\"\n");
    script(bin().resolve("ninja"), "");
    script(bin().resolve("g++"), "echo 12\n");
    script(bin().resolve("mvn"), FAKE_MAVEN);
    script(bin().resolve("id"), "echo \"${FAKE_UID:-1000}\"\n");
    jdk("jdk-25", "25.0.3");
    Files.createFile(folder.resolve("gpu"));
    environment.put("PATH", bin().toString());
    environment.put("HOME", home.toString());
    environment.put("SANDBOX", folder.toString());
  }

  private void layClone() throws IOException {
    Path root = Path.of(System.getProperty("lorikeet.root"));
    // Only here do the system's JVMs and GPUs lie elsewhere, so that this machine's do not count.
    String text = Files.readString(root.resolve("lorikeet"));
    text = text.replace("/usr/lib/jvm/*", "\"$SANDBOX\"/jvm/*");
    write("lorikeet", text.replace("in /dev/nvidia[0-9]* /dev/dxg", "in \"$SANDBOX\"/gpu"));
    Files.setPosixFilePermissions(
        clone.resolve("lorikeet"), PosixFilePermissions.fromString("rwxr-xr-x"));
    for (String file :
        List.of(
            "pom.xml",
            "CMakeLists.txt",
            "cmake/a.cmake",
            "kernels/a.cpp",
            "native/CMakeLists.txt",
            "native/include/a.h",
            "native/src/a.cpp",
            "java/lorikeet-cli/pom.xml",
            "java/lorikeet-cli/src/main/A.java",
            "java/lorikeet-cli/src/main/B.java")) {
      write(file, file);
    }
  }

  /** Writes a file of the clone. */
  void write(String file, String text) throws IOException {
    Path path = clone.resolve(file);
    Files.createDirectories(path.getParent());
    Files.writeString(path, text);
  }

  Path bin() {
    return folder.resolve("bin");
  }

  /** Adds a JDK to the system's JVMs. */
  Path jdk(String name, String version) throws IOException {
    Path jdk = folder.resolve("jvm").resolve(name);
    script(jdk.resolve("bin/java"), FAKE_JAVA);
    script(jdk.resolve("bin/javac"), "");
    Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"" + version + "\"\n");
    return jdk;
  }

  static void script(Path path, String body) throws IOException {
    Files.createDirectories(path.getParent());
    Files.writeString(path, "#!/bin/sh\n" + body);
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private static Path systemTool(String name) throws IOException {
    for (String place : List.of("/usr/bin", "/bin")) {
      if (Files.isExecutable(Path.of(place, name))) {
        return Path.of(place, name);
      }
    }
    throw new IOException("this test needs " + name + " in /usr/bin or /bin");
  }

  /** Starts a command with this machine's environment, working folder {@link #home}. */
  Process start(String... command) throws IOException {
    ProcessBuilder builder = new ProcessBuilder(command).directory(home.toFile());
    builder.environment().clear();
    builder.environment().putAll(environment);
    builder.redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()));
    builder.redirectOutput(Files.createTempFile(folder, "out", "").toFile());
    builder.redirectError(Files.createTempFile(folder, "err", "").toFile());
    Process process = builder.start();
    running.put(process.pid(), builder);
    return process;
  }

  Result finish(Process process) throws IOException, InterruptedException {
    if (!process.waitFor(180, TimeUnit.SECONDS)) {
      process.destroyForcibly();
      throw new AssertionError("the command did not end");
    }
    ProcessBuilder builder = running.remove(process.pid());
    return new Result(
        process.exitValue(),
        Files.readString(builder.redirectOutput().file().toPath()),
        Files.readString(builder.redirectError().file().toPath()));
  }

  Process startLorikeet(String... arguments) throws IOException {
    List<String> command = new ArrayList<>(List.of(clone.resolve("lorikeet").toString()));
    command.addAll(List.of(arguments));
    return start(command.toArray(String[]::new));
  }

  Result lorikeet(String... arguments) throws IOException, InterruptedException {
    return finish(startLorikeet(arguments));
  }

  /** What Maven was called with, a line a call. */
  List<String> mavenCalls() throws IOException {
    return said("maven.calls");
  }

  /** The lines that fake tools have added to a file. */
  List<String> said(String file) throws IOException {
    Path path = folder.resolve(file);
    return Files.exists(path) ? Files.readAllLines(path) : List.of();
  }

  /** The folders of staged jars. */
  List<String> libraries() throws IOException {
    try (var entries = Files.list(clone.resolve("build"))) {
      return entries
          .map(e -> e.getFileName().toString())
          .filter(n -> n.startsWith("lib."))
          .toList();
    }
  }

  /** Waits until a fake tool has made the file. */
  void await(String file) throws InterruptedException {
    for (int i = 0; i < 2000; i++) {
      if (Files.exists(folder.resolve(file))) {
        return;
      }
      Thread.sleep(10);
    }
    throw new AssertionError(file + " did not appear");
  }
}
