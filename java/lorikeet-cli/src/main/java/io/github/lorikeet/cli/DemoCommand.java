// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Csv;
import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.cli.output.OutputFolder;
import io.github.lorikeet.cli.output.OutputLock;
import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.cli.output.TextTable;
import io.github.lorikeet.cli.report.HtmlReport;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.model.Adapters;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.LoraTargets;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.train.TrainMode;
import io.github.lorikeet.vision.weights.Provenance;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code lorikeet demo}. */
@Command(
    name = "demo",
    description =
        "Fine-tune on the sample radiographs with LoRA, a linear probe and fully, and compare.",
    footer = {
      "",
      "Starts from the small foundation model in samples/, which saw no labels and none of the"
          + " test",
      "images, and learns to tell pneumonia from no finding. Writes report.html, results.json,",
      "results.csv and the LoRA adapter in PEFT's layout to the folder of --out.",
      "",
      "Examples:",
      "  lorikeet demo",
      "  lorikeet demo --seeds 5 --out /tmp/demo"
    })
final class DemoCommand implements Callable<Integer> {
  private static final float ALPHA = 32;
  private static final float DROPOUT = 0.1f;
  private static final String RECIPE = "cxr-mae";
  private static final List<String> LABELS = List.of("pneumonia");
  private static final long CACHE_BYTES = 256_000_000;

  @Spec private CommandSpec spec;
  @Mixin private DeviceOptions where;

  @Option(
      names = "--seeds",
      paramLabel = "N",
      defaultValue = "3",
      description = "Runs of each method on few labels. Default: ${DEFAULT-VALUE}.")
  private int seeds;

  @Option(
      names = "--samples",
      paramLabel = "DIR",
      description = "Folder of the sample radiographs and start; the installation's by default.")
  private Path samples;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      defaultValue = "lorikeet-demo",
      description = "Folder for the results. Default: ${DEFAULT-VALUE}.")
  private Path out;

  /** All runs of a task. */
  record Outcome(DemoTask task, List<TrainingRun.Result> runs) {
    double seconds() {
      return runs.stream().mapToDouble(TrainingRun.Result::seconds).average().orElse(Double.NaN);
    }
  }

  @Override
  public Integer call() throws InterruptedException {
    if (seeds < 1) {
      throw new IllegalArgumentException("--seeds " + seeds + ": expected 1 or more");
    }
    Path folder =
        samples != null ? samples : Path.of(System.getProperty("lorikeet.home", "."), "samples");
    OutputFolder output = OutputFolder.create(out);
    ImageList test = ImageList.read(folder.resolve("test_list.txt"));
    List<Outcome> outcomes = new ArrayList<>();
    try (OutputLock _ = OutputLock.ofFolder(out);
        ModelFile file = ModelFile.open(folder.resolve("start.safetensors"), null);
        Interrupt interrupt = new Interrupt();
        Progress progress = Progress.onStderr();
        Device device = where.open()) {
      int imageSize = file.imageSize();
      Preprocess preprocess = Preprocess.named(RECIPE, imageSize);
      try (ImageLoader validation = loader(folder, "val_list.txt", preprocess);
          ImageLoader testLoader =
              new ImageLoader(test, preprocess, where.loaderThreads(), CACHE_BYTES)) {
        for (DemoTask task : DemoTask.all(seeds)) {
          try (ImageLoader training = loader(folder, task.list(), preprocess)) {
            List<TrainingRun.Result> runs = new ArrayList<>();
            for (int seed = 0; seed < task.seeds(); seed++) {
              VisionTransformer model = model(file, task, seed);
              Path adapter =
                  task.mode() == TrainMode.LORA && seed == 0 ? output.path("adapter") : null;
              TrainingRun.Result run =
                  new TrainingRun(
                          name(task, seed),
                          task.options(imageSize, seed).withActivations(where.dtype()),
                          progress,
                          interrupt::requested)
                      .run(
                          device,
                          model,
                          training,
                          validation,
                          testLoader,
                          () -> save(file, model, adapter));
              if (interrupt.requested() || run.test() == null) {
                progress.say("stopped: no table, as not every run has ended");
                return 1;
              }
              runs.add(run);
            }
            Outcome outcome = new Outcome(task, runs);
            outcomes.add(outcome);
            progress.say(line(outcome));
          }
        }
      }
    }
    write(output, outcomes, test);
    print(outcomes, test.size());
    return 0;
  }

  private ImageLoader loader(Path folder, String list, Preprocess preprocess) {
    return new ImageLoader(
        ImageList.read(folder.resolve(list)), preprocess, where.loaderThreads(), CACHE_BYTES);
  }

  private static VisionTransformer model(ModelFile file, DemoTask task, long seed) {
    Initializer initializer = new Initializer(seed);
    VisionTransformer model =
        task.randomStart()
            ? file.randomStart(0, LABELS.size(), 0, initializer, task.mode()::trains)
            : file.backbone(0, LABELS.size(), 0, initializer, task.mode()::trains);
    if (task.mode() == TrainMode.LORA) {
      model.attachLora(LoraTargets.QUERY_VALUE, task.rank(), ALPHA, DROPOUT);
    }
    return model;
  }

  private static void save(ModelFile file, VisionTransformer model, Path adapter) {
    if (adapter != null) {
      Adapters.export(model).with(new Provenance(RECIPE, LABELS, file.checksum())).write(adapter);
    }
  }

  private static String name(DemoTask task, int seed) {
    return task.group() + ", " + task.method() + (task.seeds() > 1 ? ", seed " + seed : "");
  }

  private static String line(Outcome outcome) {
    return outcome.task().group()
        + ", "
        + outcome.task().method()
        + ": test AUROC "
        + DemoReport.result(outcome).auroc()
        + " ("
        + Format.seconds(outcome.seconds())
        + " a run)";
  }

  private void write(OutputFolder output, List<Outcome> outcomes, ImageList test) {
    List<Object> rows = new ArrayList<>();
    StringBuilder csv = new StringBuilder();
    for (Outcome outcome : outcomes) {
      Map<String, Object> row = DemoReport.row(outcome);
      if (csv.isEmpty()) {
        csv.append(Csv.line(row.keySet()));
      }
      csv.append(Csv.line(row.values()));
      rows.add(row);
    }
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("version", Version.number());
    all.put("results", rows);
    output.write("results.json", Json.pretty(all));
    output.write("results.csv", csv.toString());
    output.write("report.html", HtmlReport.of(DemoReport.of(outcomes, test, LABELS)));
  }

  private void print(List<Outcome> outcomes, int testImages) {
    PrintWriter text = spec.commandLine().getOut();
    TextTable table =
        new TextTable("method", "labels", "trained", "%", "test AUROC", "time a run", "memory");
    for (Outcome outcome : outcomes) {
      TrainingRun.Result run = outcome.runs().getFirst();
      table.row(
          outcome.task().method(),
          outcome.task().group().replace(" labels", ""),
          Format.count(run.trained()),
          Format.percent(run.trained(), run.parameters()),
          DemoReport.result(outcome).auroc(),
          Format.seconds(outcome.seconds()),
          Format.bytes(run.measuredBytes()));
    }
    text.println();
    text.print(table);
    text.println();
    DemoReport.summary(outcomes, testImages).forEach(text::println);
    text.println();
    text.println("report   " + out.resolve("report.html"));
    text.println("adapter  " + out.resolve("adapter") + " (PEFT)");
    text.flush();
  }
}
