// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.StudyRecipes.Start;
import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.OutputFolder;
import io.github.lorikeet.cli.output.OutputLock;
import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.cli.output.TextTable;
import io.github.lorikeet.cli.report.HtmlReport;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.vision.data.StudyData;
import io.github.lorikeet.vision.train.TrainMode;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code lorikeet study}. */
@Command(
    name = "study",
    description =
        "LoRA against full fine-tuning: the 18 tasks of \"Less Could Be Better\" (arXiv"
            + " 2401.12215), with its settings, or some of them.",
    footer = {
      "",
      "Tasks are start/data/percent of the labels, such as mrm/nih/1; those whose weights and data"
          + " are",
      "given are done. A folder of data has train_1.txt, train_10.txt, train_list.txt, val_list.txt"
          + " and",
      "test_list.txt beside the images. Each run has a folder of its own in --out; the same command"
          + " again",
      "passes over those that are finished and goes on with one that was interrupted, however it"
          + " was, to",
      "the same bits. Ends with the study's table: study.md, study.csv, study.json, report.html.",
      "docs/reproduce-the-study.md says where weights and data come from.",
      "",
      "Examples:",
      "  lorikeet study --weights-mrm MRM.pth --nih NIH --only mrm/nih/1 --dry-run",
      "  lorikeet study --weights-mrm MRM.pth --weights-cxr-mae CXR_MAE.pth \\",
      "      --nih NIH --chexpert CheXpert --rsna RSNA --seeds 3 --out study"
    })
final class StudyCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private DeviceOptions where;

  @Option(names = "--weights-mrm", paramLabel = "FILE", description = "MRM's weights.")
  private Path mrm;

  @Option(names = "--weights-cxr-mae", paramLabel = "FILE", description = "CXR_MAE's weights.")
  private Path cxrMae;

  @Option(names = "--nih", paramLabel = "DIR", description = "NIH ChestX-ray14.")
  private Path nih;

  @Option(names = "--chexpert", paramLabel = "DIR", description = "CheXpert.")
  private Path chexpert;

  @Option(names = "--rsna", paramLabel = "DIR", description = "RSNA Pneumonia.")
  private Path rsna;

  @Option(
      names = "--methods",
      paramLabel = "NAME",
      split = ",",
      defaultValue = "lora,full",
      description = "Some of lora, full, linear-probe. Default: ${DEFAULT-VALUE}.")
  private List<String> methods;

  @Option(
      names = "--fractions",
      paramLabel = "N",
      split = ",",
      defaultValue = "1,10,100",
      description = "Percent of the labels. Default: ${DEFAULT-VALUE}.")
  private List<Integer> fractions;

  @Option(
      names = "--only",
      paramLabel = "TASK",
      split = ",",
      description = "These tasks alone; may be given again.")
  private List<String> only;

  @Option(
      names = "--seeds",
      paramLabel = "N",
      defaultValue = "1",
      description = "Runs of each method on each task. Default: ${DEFAULT-VALUE}.")
  private int seeds;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      defaultValue = "lorikeet-study",
      description = "Folder for the results. Default: ${DEFAULT-VALUE}.")
  private Path out;

  @Option(
      names = "--dry-run",
      description =
          "Say what would be done: images, updates, memory, and time by a short trial; train"
              + " nothing.")
  private boolean dryRun;

  @Option(
      names = "--cache-mb",
      paramLabel = "N",
      defaultValue = "1024",
      description = "Decoded images kept for the next epoch, MB a list. Default: ${DEFAULT-VALUE}.")
  private int cacheMegabytes;

  @Mixin private ScaleOptions scaled;

  /** What to change of the study's settings. */
  static final class ScaleOptions {
    @Option(
        names = "--epochs",
        paramLabel = "N",
        defaultValue = "0",
        description = "To try it on less: epochs of every run, its warm-up shortened alike.")
    private int epochs;

    @Option(
        names = "--batch",
        paramLabel = "N",
        defaultValue = "64",
        description = "Images an update. Default: ${DEFAULT-VALUE}, the study's.")
    private int batch;

    @Option(
        names = "--image-size",
        paramLabel = "N",
        defaultValue = "0",
        description = "Pixels a side; 0: the weights' own (default).")
    private int imageSize;

    @Option(
        names = "--crop-scale",
        paramLabel = "X",
        defaultValue = "0.08",
        description = "Least share of an image that a crop keeps. Default: ${DEFAULT-VALUE}.")
    private double cropScale;

    @Option(
        names = "--lr-factor",
        paramLabel = "X",
        defaultValue = "1",
        description = "Factor of every learning rate. Default: ${DEFAULT-VALUE}.")
    private double rateFactor;

    @Option(
        names = "--evaluate-every",
        paramLabel = "N",
        defaultValue = "1",
        description = "Epochs between looks at the validation list. Default: ${DEFAULT-VALUE}.")
    private int evaluateEvery;

    StudyRun.Scale scale(DType activations) {
      checkLeast("--epochs", epochs, 0);
      checkLeast("--batch", batch, 1);
      checkLeast("--image-size", imageSize, 0);
      return new StudyRun.Scale(
          epochs, batch, imageSize, cropScale, rateFactor, evaluateEvery, activations);
    }
  }

  @Override
  public Integer call() throws InterruptedException {
    checkLeast("--seeds", seeds, 1);
    checkLeast("--cache-mb", cacheMegabytes, 0);
    StudyRun.Scale scale = scaled.scale(where.dtype());
    try (StudyFiles files = new StudyFiles(weights(), folders(), scale);
        Progress progress = Progress.onStderr();
        Device device = where.open()) {
      List<StudyTask> tasks = tasks(files);
      if (dryRun) {
        print(tasks, new StudyEstimate(files, scale, device, where.loaderThreads()));
        return 0;
      }
      List<StudyRun> runs = runs(tasks, seeds);
      // What no run can have is told before there is a folder.
      for (StudyRun run : runs) {
        run.options(files.imageSize(run.task().start()), scale);
        files.training(run.task());
      }
      OutputFolder folder = OutputFolder.create(out);
      try (OutputLock _ = OutputLock.ofFolder(out);
          Interrupt interrupt = new Interrupt()) {
        StudyRunner runner =
            new StudyRunner(
                files,
                scale,
                out,
                device,
                where.loaderThreads(),
                cacheMegabytes * 1_000_000L,
                progress,
                interrupt::requested);
        int failed = runner.run(runs);
        StudyTable table = StudyTable.read(out);
        table.write(folder);
        folder.write("report.html", HtmlReport.of(StudyReport.of(table)));
        PrintWriter text = spec.commandLine().getOut();
        text.print(table.text());
        text.println();
        text.println("report  " + out.resolve("report.html"));
        text.flush();
        return failed > 0 || interrupt.requested() ? 1 : 0;
      }
    }
  }

  private static void checkLeast(String option, int value, int least) {
    if (value < least) {
      throw new IllegalArgumentException(option + " " + value + ": expected " + least + " or more");
    }
  }

  private Map<Start, Path> weights() {
    Map<Start, Path> weights = new EnumMap<>(Start.class);
    put(weights, Start.MRM, mrm);
    put(weights, Start.CXR_MAE, cxrMae);
    return weights;
  }

  private Map<StudyData, Path> folders() {
    Map<StudyData, Path> folders = new EnumMap<>(StudyData.class);
    put(folders, StudyData.NIH, nih);
    put(folders, StudyData.CHEXPERT, chexpert);
    put(folders, StudyData.RSNA, rsna);
    return folders;
  }

  private static <K> void put(Map<K, Path> paths, K key, Path path) {
    if (path != null) {
      paths.put(key, path);
    }
  }

  /** The tasks asked for. */
  private List<StudyTask> tasks(StudyFiles files) {
    for (int fraction : fractions) {
      StudyData.trainingList(fraction);
    }
    if (only == null) {
      List<StudyTask> tasks =
          StudyTask.all().stream()
              .filter(task -> fractions.contains(task.percent()) && files.has(task))
              .toList();
      if (tasks.isEmpty()) {
        throw new IllegalArgumentException(
            "nothing to do: expected weights (--weights-mrm, --weights-cxr-mae) and data (--nih,"
                + " --chexpert, --rsna)");
      }
      return tasks;
    }
    List<StudyTask> tasks = only.stream().map(StudyTask::named).distinct().toList();
    for (StudyTask task : tasks) {
      if (!files.has(task)) {
        throw new IllegalArgumentException(
            "--only "
                + task.id()
                + ": expected --weights-"
                + task.start().id()
                + " and --"
                + task.data().id());
      }
    }
    return tasks;
  }

  private List<StudyRun> runs(List<StudyTask> tasks, int seeds) {
    List<TrainMode> modes = methods.stream().map(StudyTask::method).distinct().toList();
    List<StudyRun> runs = new ArrayList<>();
    for (StudyTask task : tasks) {
      for (int seed = 0; seed < seeds; seed++) {
        for (TrainMode mode : modes) {
          runs.add(new StudyRun(task, mode, seed));
        }
      }
    }
    return runs;
  }

  private void print(List<StudyTask> tasks, StudyEstimate estimate) throws InterruptedException {
    TextTable table =
        new TextTable("task", "method", "images", "epochs", "updates", "memory", "time a run");
    double seconds = 0;
    for (StudyRun run : runs(tasks, 1)) {
      StudyEstimate.Plan plan = estimate.of(run);
      seconds += plan.seconds() * seeds;
      table.row(
          run.task().id(),
          run.method(),
          Format.count(plan.images()),
          Format.count(plan.epochs()),
          Format.count(plan.updates()),
          Format.bytes(plan.bytes()),
          span(plan.seconds()));
    }
    PrintWriter text = spec.commandLine().getOut();
    text.print(table);
    text.println();
    text.println(
        tasks.size()
            + " tasks, "
            + methods.size()
            + " methods, seeds: "
            + seeds
            + "; about "
            + span(seconds)
            + " in all, reckoned from a short trial on "
            + where.device());
    text.flush();
  }

  /** A long time: "35 min", "7.2 h", "12.5 days". */
  private static String span(double seconds) {
    if (seconds < 99.5 * 60) {
      return seconds < 99.5 ? Format.seconds(seconds) : Format.decimals(seconds / 60, 0) + " min";
    }
    return seconds < 72 * 3600
        ? Format.decimals(seconds / 3600, 1) + " h"
        : Format.decimals(seconds / 86400, 1) + " days";
  }
}
