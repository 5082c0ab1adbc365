// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.lorikeet.cli.LauncherSandbox.Result;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The {@code lorikeet} script on machines that lack something, and while it builds. */
class LauncherTest {
  @TempDir Path temporary;
  private LauncherSandbox machine;

  @BeforeEach
  void layOut() throws IOException {
    machine = new LauncherSandbox(temporary);
  }

  private static void remove(Path folder) throws IOException {
    try (var paths = Files.walk(folder)) {
      for (Path path : paths.sorted((a, b) -> b.compareTo(a)).toList()) {
        Files.delete(path);
      }
    }
  }

  @Test
  void runsTheBuiltModulesWithTheArgumentsGiven() throws Exception {
    machine.environment.put("JAVA_EXITS", "7");
    Result result = machine.lorikeet("train", "--out", "two words");
    assertThat(result.exitCode()).isEqualTo(7);
    assertThat(result.out())
        .contains("<--enable-native-access=lorikeet.core>\n")
        .contains("<-Dlorikeet.home=" + machine.clone + ">\n")
        .contains("<-p>\n<" + machine.clone + "/build/lib.")
        .endsWith(
            "<-m>\n<lorikeet.cli/io.github.lorikeet.cli.Main>\n<train>\n<--out>\n<two words>\n");
    assertThat(result.err()).contains("lorikeet: building", "Lorikeet core", "lorikeet: built in");
  }

  /** As of a locale that is set but not installed. */
  @ParameterizedTest
  @CsvSource({"UTF-8,de_DE.UTF-8", "ANSI_X3.4-1968,C.UTF-8"})
  void filesAreNamedInUtf8(String charmap, String expected) throws Exception {
    LauncherSandbox.script(machine.bin().resolve("locale"), "echo " + charmap + "\n");
    LauncherSandbox.script(
        machine.folder.resolve("jvm/jdk-25/bin/java"), "echo \"locale $LC_ALL\"\n");
    machine.environment.put("LC_ALL", "de_DE.UTF-8");
    assertThat(machine.lorikeet("info").out()).isEqualTo("locale " + expected + "\n");
  }

  @Test
  void theProbeIsBuiltForWhatIsTimed() throws Exception {
    LauncherSandbox.script(machine.bin().resolve("cmake"), "echo >>\"$SANDBOX/cmake.calls\"\n");
    assertThat(machine.lorikeet("bench", "--list").out()).doesNotContain("lorikeet.probe");
    assertThat(machine.lorikeet("bench", "--case", "gelu", "--help").exitCode()).isZero();
    assertThat(machine.folder.resolve("cmake.calls")).doesNotExist();
    assertThat(machine.lorikeet("bench", "--case", "gelu").out()).contains("<-Dlorikeet.probe=");
    assertThat(machine.folder.resolve("cmake.calls")).exists();
  }

  @Test
  void runsThroughALink() throws Exception {
    Path link = machine.home.resolve("link");
    Files.createSymbolicLink(link, machine.clone.resolve("lorikeet"));
    assertThat(machine.finish(machine.start(link.toString(), "info")).out()).endsWith("<info>\n");
  }

  @Test
  void buildsOnce() throws Exception {
    machine.lorikeet("info");
    Result again = machine.lorikeet("info");
    assertThat(machine.mavenCalls()).hasSize(1);
    assertThat(machine.mavenCalls().getFirst())
        .startsWith(machine.folder.resolve("jvm/jdk-25") + ": ")
        .contains("package", "-Dmaven.test.skip=true");
    assertThat(again.err()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"kernels/a.cpp", "pom.xml", "java/lorikeet-cli/src/main/A.java", "lorikeet"})
  void buildsAgainWhenASourceIsNewer(String file) throws Exception {
    machine.lorikeet("info");
    Files.setLastModifiedTime(
        machine.clone.resolve(file), FileTime.from(Instant.now().plusSeconds(2)));
    machine.lorikeet("info");
    assertThat(machine.mavenCalls()).hasSize(2);
  }

  @Test
  void buildsAgainWhenASourceWasRemoved() throws Exception {
    machine.lorikeet("info");
    Files.delete(machine.clone.resolve("java/lorikeet-cli/src/main/B.java"));
    machine.lorikeet("info");
    assertThat(machine.mavenCalls()).hasSize(2);
  }

  @Test
  void cudaKernelsAreBuiltOnceWhenACudaDeviceIsAskedFor() throws Exception {
    LauncherSandbox.script(machine.bin().resolve("nvcc"), "");
    machine.lorikeet("info");
    machine.lorikeet("train", "--device", "cuda:0");
    machine.lorikeet("predict", "--device=cuda:1");
    machine.lorikeet("info");
    assertThat(machine.mavenCalls()).hasSize(2);
    assertThat(machine.mavenCalls().getFirst()).endsWith("-Dnative.cuda=OFF");
    assertThat(machine.mavenCalls().getLast()).endsWith("-Dnative.cuda=AUTO");
  }

  @Test
  void anNvccThatDoesNotCompileIsTriedAgain() throws Exception {
    LauncherSandbox.script(machine.bin().resolve("nvcc"), "");
    machine.environment.put("NVCC_FAILS", "yes");
    Result result = machine.lorikeet("train", "--device", "cuda:0");
    assertThat(result.exitCode()).isZero();
    assertThat(result.err()).contains("nvcc does not compile: going without CUDA kernels");
    machine.lorikeet("info");
    assertThat(machine.mavenCalls()).hasSize(1);
    machine.environment.remove("NVCC_FAILS");
    machine.lorikeet("train", "--device", "cuda:0");
    machine.lorikeet("train", "--device", "cuda:0");
    assertThat(machine.mavenCalls()).hasSize(2);
  }

  @Test
  void withoutNvccItSaysSoAndBuildsTheRest() throws Exception {
    assumeTrue(!Files.exists(Path.of("/usr/local/cuda/bin/nvcc")), "this machine has an nvcc");
    Result result = machine.lorikeet("train", "--device", "cuda:0");
    assertThat(result.err()).startsWith("lorikeet: no nvcc on the PATH");
    assertThat(result.exitCode()).isZero();
    assertThat(machine.mavenCalls()).hasSize(1);
    assertThat(machine.mavenCalls().getFirst()).endsWith("-Dnative.cuda=OFF");
  }

  @Test
  void withoutAGpuNothingIsBuiltForOne() throws Exception {
    LauncherSandbox.script(machine.bin().resolve("nvcc"), "");
    Files.delete(machine.folder.resolve("gpu"));
    Result result = machine.lorikeet("train", "--device", "cuda:0");
    assertThat(result.err()).startsWith("lorikeet: no NVIDIA GPU here");
    assertThat(machine.mavenCalls()).singleElement().asString().endsWith("-Dnative.cuda=OFF");
  }

  @Test
  void theEnvironmentSaysWhetherCudaKernelsAreBuilt() throws Exception {
    machine.environment.put("LORIKEET_CUDA", "ON");
    machine.lorikeet("info");
    machine.environment.put("LORIKEET_CUDA", "OFF");
    machine.lorikeet("train", "--device", "cuda:0");
    assertThat(machine.mavenCalls()).singleElement().asString().endsWith("-Dnative.cuda=ON");
  }

  @Test
  void theEnvironmentMayNotSayAnythingElseAboutCuda() throws Exception {
    machine.environment.put("LORIKEET_CUDA", "1");
    Result result = machine.lorikeet("info");
    assertThat(result.exitCode()).isEqualTo(2);
    assertThat(result.err())
        .isEqualTo("lorikeet: LORIKEET_CUDA is '1', expected ON, OFF or AUTO\n");
  }

  @Test
  void buildsInALocaleThatHasAllLetters() throws Exception {
    LauncherSandbox.script(machine.bin().resolve("locale"), "echo ANSI_X3.4-1968\n");
    machine.environment.put("LC_ALL", "C");
    machine.lorikeet("info");
    assertThat(machine.said("maven.environment")).containsExactly(" C.UTF-8");
  }

  @Test
  void benchmarksConfigureABuildTreeThatIsGoneOrAnothers() throws Exception {
    machine.lorikeet("info");
    String tree = "java/lorikeet-core/target/native";
    machine.write(tree + "/CMakeCache.txt", "CMAKE_HOME_DIRECTORY:INTERNAL=/elsewhere\n");
    assertThat(machine.lorikeet("bench").exitCode()).isZero();
    machine.write(
        tree + "/CMakeCache.txt", "CMAKE_HOME_DIRECTORY:INTERNAL=" + machine.clone + "\n");
    assertThat(machine.lorikeet("bench").exitCode()).isZero();
    String build = "--build " + machine.clone + "/" + tree + " --target lorikeet_bench_probe";
    assertThat(machine.said("cmake.calls"))
        .hasSize(3)
        .endsWith(build, build)
        .first()
        .asString()
        .startsWith("-G Ninja -S " + machine.clone + " -B " + machine.clone + "/" + tree);
    assertThat(machine.mavenCalls()).hasSize(1);
  }

  @Test
  void aFailedBuildSaysWhyAndWhereAndIsTriedAgain() throws Exception {
    machine.environment.put("MAVEN_FAILS", "yes");
    Result failed = machine.lorikeet("info");
    assertThat(failed.exitCode()).isEqualTo(1);
    assertThat(failed.out()).isEmpty();
    assertThat(failed.err()).contains("[ERROR] broken source", machine.clone + "/build/build.log");
    machine.environment.remove("MAVEN_FAILS");
    assertThat(machine.lorikeet("info").exitCode()).isZero();
  }

  @Test
  void anInterruptedBuildIsTriedAgain() throws Exception {
    machine.environment.put("MAVEN_SLEEP", "30");
    // A group of its own with SIGINT as a terminal gives it, for the signal to reach all of it.
    Process process =
        machine.start(
            "setsid", "env", "--default-signal=INT", machine.clone.resolve("lorikeet").toString());
    machine.await("maven.sleeps");
    new ProcessBuilder("sh", "-c", "kill -INT -" + process.pid()).start().waitFor();
    Result interrupted = machine.finish(process);
    assertThat(interrupted.exitCode()).isEqualTo(130);
    assertThat(machine.clone.resolve("build/built")).doesNotExist();
    machine.environment.remove("MAVEN_SLEEP");
    assertThat(machine.lorikeet("info").exitCode()).isZero();
    assertThat(machine.mavenCalls()).hasSize(2);
  }

  @Test
  void twoAtOnceBuildOnce() throws Exception {
    machine.environment.put("MAVEN_SLEEP", "0.3");
    Process first = machine.startLorikeet("info");
    Process second = machine.startLorikeet("info");
    assertThat(machine.finish(first).exitCode()).isZero();
    assertThat(machine.finish(second).exitCode()).isZero();
    assertThat(machine.mavenCalls()).hasSize(1);
  }

  @Test
  void aBuildLeavesTheJarsOfARunningCommandAlone() throws Exception {
    machine.environment.put("JAVA_SLEEP", "30");
    Process running = machine.startLorikeet("train");
    machine.await("java.sleeps");
    String held = machine.libraries().getFirst();
    machine.environment.remove("JAVA_SLEEP");
    machine.write("kernels/new.cpp", "");
    machine.lorikeet("info");
    assertThat(machine.libraries()).hasSize(2).contains(held);
    running.descendants().forEach(ProcessHandle::destroy);
    running.destroy();
    machine.finish(running);
    machine.write("kernels/newer.cpp", "");
    machine.lorikeet("info");
    assertThat(machine.libraries()).hasSize(1).doesNotContain(held);
  }

  @Test
  void withoutJavaItSaysWhereItLookedAndHowToGetIt() throws Exception {
    remove(machine.folder.resolve("jvm"));
    Result result = machine.lorikeet("info");
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.err())
        .contains(
            "a JDK 25.0.3 or newer is needed", "LORIKEET_JAVA_HOME", "/usr/lib/jvm", "adoptium");
    assertThat(machine.mavenCalls()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "17.0.9, false",
    "25, false",
    "25.0.2, false",
    "25.0.3, true",
    "25.0.10, true",
    "25.1, true",
    "26-ea, true",
    "9, false"
  })
  void takesAJdkByItsVersion(String version, boolean taken) throws Exception {
    remove(machine.folder.resolve("jvm"));
    Path jdk = machine.jdk("some jdk", version);
    Result result = machine.lorikeet("info");
    assertThat(result.exitCode()).isEqualTo(taken ? 0 : 1);
    if (!taken) {
      assertThat(result.err()).containsOnlyOnce(jdk + " (Java " + version + ")");
    }
  }

  @Test
  void looksInTheHomeFolderToo() throws Exception {
    Files.createDirectories(machine.home.resolve(".jdks"));
    Files.move(machine.folder.resolve("jvm/jdk-25"), machine.home.resolve(".jdks/mine"));
    machine.lorikeet("info");
    assertThat(machine.mavenCalls().getFirst()).startsWith(machine.home + "/.jdks/mine: ");
  }

  @Test
  void aNamedJdkMustServe() throws Exception {
    Path old = machine.jdk("jdk-21", "21.0.1");
    machine.environment.put("LORIKEET_JAVA_HOME", old.toString());
    Result result = machine.lorikeet("info");
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.err()).contains("LORIKEET_JAVA_HOME must be", old + " (Java 21.0.1)");
  }

  @Test
  void aNamedJdkMayBeNamedFromTheWorkingFolder() throws Exception {
    Files.move(machine.folder.resolve("jvm/jdk-25"), machine.home.resolve("mine"));
    machine.environment.put("LORIKEET_JAVA_HOME", "mine");
    machine.lorikeet("info");
    assertThat(machine.mavenCalls().getFirst()).startsWith(machine.home + "/mine: ");
  }

  @Test
  void anOldCompilerIsPassedByOrNamed() throws Exception {
    LauncherSandbox.script(machine.bin().resolve("g++"), "echo 11\n");
    LauncherSandbox.script(machine.bin().resolve("apt-get"), "exit 9\n");
    Result result = machine.lorikeet("info");
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.err()).contains("sudo apt-get install -y g++-12\n");
    machine.environment.put("CXX", "g++ -m64");
    assertThat(machine.lorikeet("info").err())
        .isEqualTo("lorikeet: CXX is 'g++ -m64', expected g++ 12 or newer\n");
    machine.environment.remove("CXX");
    LauncherSandbox.script(machine.bin().resolve("g++-13"), "echo 13.2.0\n");
    assertThat(machine.lorikeet("info").exitCode()).isZero();
    assertThat(machine.said("maven.environment")).singleElement().asString().startsWith("g++-13 ");
  }

  @Test
  void namesMissingToolsWithTheLineThatInstallsThem() throws Exception {
    Files.delete(machine.bin().resolve("cmake"));
    Files.delete(machine.bin().resolve("mvn"));
    LauncherSandbox.script(machine.bin().resolve("apt-get"), "echo must not run; exit 9\n");
    Result result = machine.lorikeet("info");
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.err()).contains("sudo apt-get install -y cmake maven\n");
  }

  @Test
  void rootGetsMissingToolsInstalled() throws Exception {
    Files.delete(machine.bin().resolve("ninja"));
    machine.environment.put("FAKE_UID", "0");
    LauncherSandbox.script(
        machine.bin().resolve("apt-get"),
        "echo \"$*\" >>\"$SANDBOX/apt.calls\"\n"
            + "case $* in *install*) touch \"$SANDBOX/bin/ninja\"; /bin/chmod +x"
            + " \"$SANDBOX/bin/ninja\";; esac\n");
    Result result = machine.lorikeet("info");
    assertThat(result.exitCode()).isZero();
    assertThat(result.err()).contains("lorikeet: installing: ninja-build\n");
    assertThat(Files.readAllLines(machine.folder.resolve("apt.calls")))
        .containsExactly("-q -y update", "-q -y install --no-install-recommends ninja-build");
  }

  @Test
  void anInstallationThatFailsNamesItsLog() throws Exception {
    Files.delete(machine.bin().resolve("ninja"));
    machine.environment.put("FAKE_UID", "0");
    LauncherSandbox.script(machine.bin().resolve("apt-get"), "exit 100\n");
    Result result = machine.lorikeet("info");
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.err())
        .contains("apt-get update failed", "build/install.log")
        .contains("sudo apt-get install -y ninja-build\n");
  }

  @Test
  void withoutAHomeFolderMavenKeepsItsDownloadsInTheBuild() throws Exception {
    machine.environment.put("HOME", "/proc/none");
    assertThat(machine.lorikeet("info").exitCode()).isZero();
    assertThat(machine.mavenCalls().getFirst())
        .contains("-Dmaven.repo.local=" + machine.clone + "/build/maven");
  }

  @Test
  void testAddsUpWhatRan() throws Exception {
    LauncherSandbox.script(
        machine.bin().resolve("mvn"),
        """
        reports=java/lorikeet-core/target/surefire-reports
        native=java/lorikeet-core/target/native/Testing/Temporary
        mkdir -p $reports $native
        echo 'Test project /somewhere'
        echo '    Start 1: native_avx2'
        echo '1/1 Test #1: native_avx2 ..........***Failed 0.14 sec'
        echo 'softplus: error 0.5'
        echo '0% tests passed, 1 tests failed out of 1'
        echo '[INFO] Tests run: 5, Failures: 0, Errors: 0, Skipped: 1, Time elapsed: 0.25 s -- in io.github.lorikeet.core.ATest'
        echo '[ERROR] io.github.lorikeet.core.ATest.b -- expected 1, was 2'
        cat >$reports/TEST-a.xml <<'END'
        <testsuite name="a" time="0.1" tests="5" errors="1" skipped="1" failures="1">
          <testcase name="off" classname="io.github.lorikeet.core.A" time="0">
            <skipped message="no GPU here"/>
        END
        echo '[doctest] test cases:   10 |   8 passed | 2 failed | 0 skipped' >$native/LastTest.log
        exit 1
        """);
    Result result = machine.lorikeet("test");
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.out())
        .contains("skipped: core.A.off: no GPU here\n")
        .endsWith("10 passed, 4 failed, 1 skipped\n");
    assertThat(result.err())
        .contains(
            "    1/1 Test #1: native_avx2 ..........***Failed 0.14 sec\n    softplus: error 0.5\n")
        .containsPattern("ATest +5 tests +0\\.25 s  \\(1 skipped\\)\n")
        .contains("[ERROR] io.github.lorikeet.core.ATest.b -- expected 1, was 2\n");
    assertThat(result.err())
        .contains("FAILED; the whole log is in")
        .doesNotContain("all tests passed");
  }

  @Test
  void testThatRanNothingFails() throws Exception {
    LauncherSandbox.script(machine.bin().resolve("mvn"), "");
    Result result = machine.lorikeet("test");
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.err()).contains("no test ran");
  }

  @Test
  void formatRunsTheFormatterOverWrittenSources() throws Exception {
    machine.write("java/lorikeet-core/src/generated/java/C.java", "");
    machine.write("bench/jmh/src/main/D.java", "");
    machine.write("examples/src/main/E.java", "");
    machine.environment.put("JAVA_EXITS", "1");
    Result result = machine.lorikeet("format", "--check");
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.out())
        .contains("-all-deps.jar>\n<--dry-run>\n<--set-exit-if-changed>\n")
        .contains("<" + machine.clone + "/java/lorikeet-cli/src/main/A.java>\n")
        .contains("<" + machine.clone + "/bench/jmh/src/main/D.java>\n")
        .contains("<" + machine.clone + "/examples/src/main/E.java>\n")
        .doesNotContain("C.java");
    assertThat(machine.mavenCalls().getFirst()).contains("dependency:copy");
    machine.environment.remove("JAVA_EXITS");
    result = machine.lorikeet("format");
    assertThat(result.exitCode()).isZero();
    assertThat(result.out()).contains("-all-deps.jar>\n<--replace>\n");
  }

  @ParameterizedTest
  @CsvSource({
    "format all, format takes --check or nothing",
    "kernels --json, kernels takes --json FILE or nothing",
    "kernels --csv a, kernels takes --json FILE or nothing",
    "test all, 'test takes nothing, or mutations [WORD]'"
  })
  void wrongUsageExitsWith2(String words, String expected) throws Exception {
    Result result = machine.lorikeet(words.split(" "));
    assertThat(result.exitCode()).isEqualTo(2);
    assertThat(result.out()).isEmpty();
    assertThat(result.err()).isEqualTo("lorikeet: " + expected + "\n");
  }

  @ParameterizedTest
  @CsvSource({
    "format, format [--check]",
    "kernels, kernels [--json FILE]",
    "test, test [mutations [WORD]]"
  })
  void itsOwnCommandsSayHowTheyAreCalled(String command, String expected) throws Exception {
    Result result = machine.lorikeet(command, "--help");
    assertThat(result.exitCode()).isZero();
    assertThat(result.out()).isEqualTo("usage: lorikeet " + expected + "\n");
    assertThat(result.err()).isEmpty();
    assertThat(machine.mavenCalls()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"sh -n", "dash -n", "bash --posix -n", "shellcheck"})
  void theScriptIsPlainShell(String checker) throws Exception {
    String[] command = checker.split(" ");
    assumeTrue(
        Files.isExecutable(Path.of("/usr/bin", command[0]))
            || Files.isExecutable(Path.of("/bin", command[0])),
        command[0] + " is not installed");
    Path root = Path.of(System.getProperty("lorikeet.root"));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.command().add(root.resolve("lorikeet").toString());
    Process process = builder.start();
    String said = new String(process.getInputStream().readAllBytes());
    assertThat(process.waitFor()).as(said).isZero();
  }
}
