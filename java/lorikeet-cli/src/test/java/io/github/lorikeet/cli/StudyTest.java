// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.data.StudyData;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The study on a small scale: the sample starts, real radiographs in the three real formats. */
class StudyTest {
  private static final Path ROOT = root();

  @TempDir Path folder;
  private static StudyFolders radiographs;
  private OwnProcess process;

  private static Path root() {
    Path here = Path.of("").toAbsolutePath();
    while (here != null && !Files.exists(here.resolve("samples/start.safetensors"))) {
      here = here.getParent();
    }
    return here;
  }

  @BeforeAll
  static void findRadiographs() throws IOException {
    assumeTrue(ROOT != null, "samples/ is not above the working directory");
    Path shared = ROOT.resolve("../shared/data/cxr/images");
    radiographs =
        new StudyFolders(Files.isDirectory(shared) ? shared : ROOT.resolve("samples/radiographs"));
  }

  @AfterEach
  void endProcess() {
    if (process != null) {
      process.close();
    }
  }

  /**
   * @param sets folder of the data sets
   */
  private static List<String> command(Path sets, Path study, Object... more) {
    List<String> words =
        new ArrayList<>(
            List.of(
                "study",
                "--weights-mrm",
                ROOT.resolve("samples/start_small.safetensors").toString(),
                "--weights-cxr-mae",
                ROOT.resolve("samples/start.safetensors").toString(),
                "--nih",
                sets.resolve("nih").toString(),
                "--chexpert",
                sets.resolve("chexpert").toString(),
                "--rsna",
                sets.resolve("rsna").toString(),
                "--out",
                study.toString(),
                "--image-size",
                "64",
                "--crop-scale",
                "0.5"));
    for (Object word : more) {
      words.add(word.toString());
    }
    return words;
  }

  private static String lorikeet(Object... words) {
    Cli.Result result = Cli.lorikeet(words);
    assertThat(result.exitCode()).as(result.err()).isZero();
    return result.out();
  }

  @Test
  void twoStartsOnThreeDataSetsEndInTheTable() throws IOException {
    for (StudyData set : StudyData.values()) {
      radiographs.write(folder.resolve(set.id()), set, 32, 160, 40, 80);
    }
    Path study = folder.resolve("study");
    List<String> words =
        command(
            folder, study, "--fractions", "10,100", "--epochs", 4, "--batch", 16, "--lr-factor", 2);
    String said = lorikeet(words);
    assertThat(said).contains("of 12 tasks").contains("LoRA - full");
    assertThat(said.lines().filter(line -> line.startsWith("MRM") || line.startsWith("CXR_MAE")))
        .hasSize(12);
    Map<String, Object> json = Json.parse(Files.readString(study.resolve("study.json")));
    assertThat(json.get("compared")).isEqualTo(12L);
    for (Object row : (List<?>) json.get("tasks")) {
      Map<?, ?> task = (Map<?, ?>) row;
      for (String method : List.of("lora", "full")) {
        double auroc = (Double) task.get(method + "_auroc");
        assertThat(auroc).as("%s %s", task.get("task"), method).isBetween(30.0, 100.0);
        // With all labels every run has learnt something: brightness alone gives 69.
        if (task.get("task").toString().endsWith("/100")) {
          assertThat(auroc).as("%s %s", task.get("task"), method).isGreaterThan(60);
        }
      }
      assertThat((Double) task.get("lora_trained_percent")).isBetween(0.1, 20.0);
    }
    assertThat(study.resolve("study.md")).content().contains("| MRM | NIH ChestX-ray14 | 10 % |");
    assertThat(Files.readAllLines(study.resolve("study.csv"))).hasSize(13);
    assertThat(study.resolve("report.html")).content().contains("The study's table", "<svg");
    Path run = study.resolve("cxr-mae/rsna/10/lora/seed-0");
    assertThat(run.resolve("report.html")).content().contains("attention rollout");

    FileTime written = Files.getLastModifiedTime(run.resolve("result.json"));
    assertThat(lorikeet(words)).isEqualTo(said);
    assertThat(Files.getLastModifiedTime(run.resolve("result.json"))).isEqualTo(written);

    Path page = folder.resolve("compared.html");
    String compared = lorikeet("report", study, "--out", page);
    assertThat(compared.lines().filter(line -> line.contains("seed-0"))).hasSize(24);
    assertThat(page).content().contains("Validation AUROC");

    Path list = folder.resolve("nih/val_list.txt");
    List<String> lines = new ArrayList<>(Files.readAllLines(list));
    lines.removeLast();
    Files.write(list, lines);
    Cli.Result again = Cli.lorikeet(words);
    assertThat(again.exitCode()).isEqualTo(2);
    assertThat(again.err()).contains("mrm/nih/10/lora/seed-0: holds the results of a run with");
  }

  @Test
  void whatIsWrongIsToldBeforeTheFirstRunAndAnImageFailsItsRunsAlone() throws IOException {
    for (StudyData set : List.of(StudyData.RSNA, StudyData.NIH)) {
      radiographs.write(folder.resolve(set.id()), set, 16, 16, 8, 8);
    }
    Path study = folder.resolve("study");
    List<String> words =
        command(
            folder,
            study,
            "--only",
            "mrm/rsna/10,mrm/nih/10",
            "--methods",
            "lora",
            "--epochs",
            1,
            "--batch",
            8);
    Path nih = folder.resolve("nih");
    Path list = nih.resolve(StudyData.TEST_LIST);
    Path aside = Files.move(list, folder.resolve("aside.txt"));
    assertThat(fails(words)).contains(list + ": no such file").hasLineCount(1);
    assertThat(study.resolve("mrm")).doesNotExist();
    Files.move(aside, list);
    Path headless = folder.resolve("no-model.safetensors");
    SafetensorsWriter.write(headless, Map.of("pos_embed", HostTensor.of(new float[64], 1, 1, 64)));
    List<String> wrong = new ArrayList<>(words);
    wrong.set(wrong.indexOf("--weights-cxr-mae") + 1, headless.toString());
    wrong.set(wrong.indexOf("mrm/rsna/10,mrm/nih/10"), "mrm/rsna/10,cxr-mae/nih/10");
    assertThat(fails(wrong))
        .contains(headless + ": no tensor patch_embed.proj.weight")
        .hasLineCount(1);
    assertThat(study.resolve("mrm")).doesNotExist();
    Path image = StudyData.RSNA.read(folder.resolve("rsna"), "train_10.txt").path(0);
    Files.writeString(image, "no image");
    assertThat(fails(words))
        .contains("note: mrm: not in " + ROOT.resolve("samples/start_small"))
        .contains("mrm/rsna/10", "failed: " + image);
    assertThat(study.resolve("mrm/nih/10/lora/seed-0/result.json")).exists();
    assertThat(study.resolve("study.md")).content().contains("NIH ChestX-ray14");
  }

  private static String fails(List<String> words) {
    PrintStream stderr = System.err;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
    try {
      Cli.Result result = Cli.lorikeet(words);
      assertThat(result.exitCode()).isEqualTo(1);
      return result.err() + said.toString(StandardCharsets.UTF_8);
    } finally {
      System.setErr(stderr);
    }
  }

  @Test
  void aDryRunOfAllTasksAtTheirRealSizesIsQuick() throws IOException {
    Path full = folder.resolve("full");
    for (StudyData set : StudyData.values()) {
      radiographs.writeFullSize(full.resolve(set.id()), set);
    }
    List<String> words = command(full, folder.resolve("none"), "--dry-run", "--threads", 1);
    ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadCpuTime();
    String said = lorikeet(words);
    // The processor's time of this thread, which does all the work but to load images: what else
    // the machine is at, this JVM's compiler and collector too, does not count.
    Duration taken = Duration.ofNanos(threads.getCurrentThreadCpuTime() - before);
    assertThat(taken).isLessThan(Duration.ofSeconds(20));
    assertThat(folder.resolve("none")).doesNotExist();
    // 785 images are 12 updates of 64; 100 epochs of LoRA, 200 of full fine-tuning.
    assertThat(said)
        .containsPattern("mrm/nih/1 +LoRA, rank 4 +785 +100 +1,200 ")
        .containsPattern("mrm/nih/1 +full fine-tuning +785 +200 +2,400 ")
        .containsPattern("cxr-mae/chexpert/100 +LoRA, rank 32 +223,414 +100 +349,000 ")
        .contains("18 tasks, 2 methods, seeds: 1; about");
  }

  // ---- Killed as by kill -9

  private void start(Path study) throws IOException {
    process =
        OwnProcess.start(
            folder.resolve("said.txt"),
            command(
                folder,
                study,
                "--only",
                "mrm/rsna/10,cxr-mae/nih/10",
                "--methods",
                "lora,full",
                "--epochs",
                8,
                "--batch",
                8,
                "--evaluate-every",
                2));
  }

  /** When the first run began, in nanoseconds. */
  private long began() throws Exception {
    process.awaitSaying("[");
    return System.nanoTime();
  }

  private void finish() throws Exception {
    assertThat(process.exitCode()).as(process.said()).isZero();
  }

  @Test
  void killedAtTenMomentsItEndsWithTheSameBits() throws Exception {
    for (StudyData set : List.of(StudyData.RSNA, StudyData.NIH)) {
      radiographs.write(folder.resolve(set.id()), set, 16, 16, 8, 8);
    }
    Path whole = folder.resolve("whole");
    start(whole);
    long start = began();
    finish();
    long nanos = System.nanoTime() - start;
    SplittableRandom random = new SplittableRandom(11);
    Path killed = folder.resolve("killed-0");
    int kills = 0;
    while (kills < 10) {
      start(killed);
      long end = began() + random.nextLong(nanos / 5);
      while (process.isAlive() && System.nanoTime() < end) {
        Thread.sleep(1);
      }
      process.kill();
      if (process.exitCode() == OwnProcess.SIGKILL) {
        kills++;
      } else {
        // All was done before the moment came: the other kills are for another study.
        isTheSame(whole, killed);
        killed = folder.resolve("killed-" + kills);
      }
    }
    start(killed);
    finish();
    isTheSame(whole, killed);
  }

  /** Weights, adapters, predictions and the tables, byte by byte; the rest but for times. */
  private static void isTheSame(Path whole, Path killed) throws IOException {
    Map<String, Path> expected = results(whole);
    assertThat(expected.keySet())
        .contains("study.csv", "mrm/rsna/10/lora/seed-0/adapter/adapter_model.safetensors")
        .contains("cxr-mae/nih/10/full/seed-0/weights.safetensors");
    Map<String, Path> actual = results(killed);
    assertThat(actual.keySet()).isEqualTo(expected.keySet());
    for (String name : expected.keySet()) {
      if (name.endsWith(".jsonl") || name.endsWith("result.json")) {
        assertThat(TestFiles.withoutTimes(actual.get(name)))
            .isEqualTo(TestFiles.withoutTimes(expected.get(name)));
      } else {
        assertThat(actual.get(name)).as(name).hasSameBinaryContentAs(expected.get(name));
      }
    }
  }

  /** Files by their names, but those that say how long something took. */
  private static Map<String, Path> results(Path study) throws IOException {
    Map<String, Path> results = new TreeMap<>();
    try (Stream<Path> files = Files.walk(study)) {
      files
          .filter(Files::isRegularFile)
          .filter(file -> !file.toString().contains("tfevents"))
          .filter(file -> !file.getFileName().toString().equals("report.html"))
          .forEach(file -> results.put(study.relativize(file).toString(), file));
    }
    return results;
  }
}
