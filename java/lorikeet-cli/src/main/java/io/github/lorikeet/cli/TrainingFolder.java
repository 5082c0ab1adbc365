// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.cli.output.OutputFile;
import io.github.lorikeet.cli.output.OutputFolder;
import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.cli.report.HtmlReport;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.log.EventFile;
import io.github.lorikeet.vision.metrics.Auroc;
import io.github.lorikeet.vision.model.Adapters;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.train.TrainMode;
import io.github.lorikeet.vision.train.TrainOptions;
import io.github.lorikeet.vision.weights.PeftAdapter;
import io.github.lorikeet.vision.weights.Provenance;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import io.github.lorikeet.vision.weights.StateFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/**
 * The folder of one training, which a run interrupted in any way can go on from: what train writes,
 * and study for each of its runs.
 *
 * <p>config.json says what the run is; log.jsonl and TensorBoard's events grow while it goes on;
 * adapter/ or weights.safetensors hold the best so far; state.safetensors is there until the end.
 * predictions.csv and report.html come at the end, and result.json last of all: a folder that has
 * it is finished.
 */
final class TrainingFolder {
  static final String CONFIG = "config.json";
  static final String RESULT = "result.json";
  private static final String STATE = "state.safetensors";
  private static final String ADAPTER = "adapter";
  private static final String WEIGHTS = "weights.safetensors";
  private static final String PREDICTIONS = "predictions.csv";
  private static final String REPORT = "report.html";

  static final String WEIGHTS_PATH = "weights_path";
  static final String LISTS_PATH = "lists_path";

  /**
   * Keys of config.json that results do not depend on: files may move, checksums tell them apart.
   */
  private static final Set<String> NO_MATTER = Set.of("version", WEIGHTS_PATH, LISTS_PATH);

  /** Keys of config.json under which train has paths. */
  private static final Set<String> PATHS = Set.of("weights", "train", "val", "test", "images");

  /**
   * What a training is.
   *
   * @param title of its report
   * @param mode what is trained
   * @param method such as "LoRA, rank 4"
   * @param options how it is trained
   * @param labelNames one a label
   * @param recipe by which images are prepared
   * @param config everything that its results depend on, by the names that config.json has
   * @param goOn says how a stopped training is gone on with
   */
  record Task(
      String title,
      TrainMode mode,
      String method,
      TrainOptions options,
      List<String> labelNames,
      String recipe,
      Map<String, Object> config,
      String goOn) {}

  /**
   * The lists, ready to be read.
   *
   * @param test null for none
   */
  record Images(ImageLoader training, ImageLoader validation, ImageLoader test) {}

  private final Path path;
  private final Task task;
  private String startChecksum;

  TrainingFolder(Path path, Task task) {
    this.path = path;
    this.task = task;
  }

  /** For an adapter to say which weights it is of: {@link ModelFile#checksum} of the start. */
  TrainingFolder startsFrom(String checksum) {
    startChecksum = checksum;
    return this;
  }

  /**
   * Whether the task was done here before.
   *
   * @throws IllegalArgumentException if another task was
   */
  boolean isFinished() {
    if (!Files.exists(path.resolve(RESULT))) {
      return false;
    }
    List<String> differences = differences();
    if (!differences.isEmpty()) {
      throw new IllegalArgumentException(
          path
              + ": holds the results of a run with other options, weights or lists ("
              + String.join("; ", differences)
              + "): choose another folder");
    }
    return true;
  }

  /** What config.json has otherwise than the task: each key, the old value and the new. */
  private List<String> differences() {
    try {
      Map<String, Object> before = Json.parse(Files.readString(path.resolve(CONFIG)));
      Map<String, Object> now = Json.parse(Json.pretty(task.config));
      Set<String> keys = new LinkedHashSet<>(now.keySet());
      keys.addAll(before.keySet());
      keys.removeAll(NO_MATTER);
      return keys.stream()
          .filter(key -> !comparable(key, before).equals(comparable(key, now)))
          .map(key -> key + ": " + before.get(key) + ", now " + now.get(key))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(path.resolve(CONFIG) + ": cannot be read", e);
    }
  }

  /** A value as text; a path however it is spelled. */
  private static String comparable(String key, Map<String, Object> config) {
    Object value = config.get(key);
    return PATHS.contains(key) && value != null
        ? Path.of(value.toString()).toAbsolutePath().normalize().toString()
        : String.valueOf(value);
  }

  /**
   * Makes sure that the run replaces nothing of what it reads.
   *
   * @throws IllegalArgumentException naming the file that it would
   */
  void check(List<Path> inputs) {
    for (String name : List.of(CONFIG, RunLog.FILE, RESULT, WEIGHTS, PREDICTIONS, REPORT, STATE)) {
      OutputFile.check(path.resolve(name), inputs);
    }
  }

  /**
   * Makes the folder, and removes what a run before this one left in it.
   *
   * @param overwrite whether also what a run would be sorry to lose: a finished one's results, the
   *     state that an interrupted one can go on from
   * @throws IllegalArgumentException if there is such a run
   */
  void clear(boolean overwrite) {
    OutputFolder.create(path);
    boolean finished = Files.exists(path.resolve(RESULT));
    if (!overwrite && (finished || StateFile.exists(path.resolve(STATE)))) {
      throw new IllegalArgumentException(
          path
              + (finished
                  ? ": holds a finished run: choose another folder, or pass --overwrite to delete"
                      + " it"
                  : ": holds an interrupted run: --resume goes on with it, --overwrite deletes"
                      + " it"));
    }
    for (String name : List.of(RESULT, WEIGHTS, PREDICTIONS, REPORT, RunLog.FILE, CONFIG)) {
      try {
        Files.deleteIfExists(path.resolve(name));
      } catch (IOException e) {
        throw new UncheckedIOException(path.resolve(name) + ": cannot be deleted", e);
      }
    }
    EventFile.deleteAll(path);
    PeftAdapter.delete(path.resolve(ADAPTER));
    StateFile.delete(path.resolve(STATE));
  }

  /**
   * Trains, going on from where an earlier start was interrupted, and writes everything.
   *
   * @param stop asked before every batch whether to end early; the run can go on later then
   */
  TrainingRun.Result run(
      Device device,
      VisionTransformer model,
      Images images,
      Progress progress,
      BooleanSupplier stop)
      throws InterruptedException {
    OutputFolder folder = OutputFolder.create(path);
    note(images, progress);
    AtomicReference<VisionTransformer> best = new AtomicReference<>();
    try (RunLog log =
        new RunLog(folder, task, images.training.list().size(), () -> save(folder, model))) {
      TrainingRun.Result result =
          new TrainingRun(task.mode.toString(), task.options, progress, stop)
              .onPlan(
                  plan -> {
                    progress.say(plan.toString().stripTrailing());
                    log.deviceBytes(plan.peakBytes());
                  })
              .listener(log)
              .keepState(path.resolve(STATE))
              .run(
                  device,
                  model,
                  images.training,
                  images.validation,
                  images.test,
                  () -> best.set(model.frozen()));
      finish(folder, device, best.get(), images, result, progress);
      return result;
    }
  }

  /** Says what the lists cannot tell or tell too well, before hours of work. */
  private void note(Images images, Progress progress) {
    List<ImageList> lists =
        Stream.of(images.training, images.validation, images.test)
            .filter(Objects::nonNull)
            .map(ImageLoader::list)
            .toList();
    ListNotes.of(lists, task.labelNames).forEach(note -> progress.say("note: " + note));
    ImageList validation = images.validation.list();
    byte[] labels = validation.labelValues();
    Auroc blind = Auroc.of(new float[labels.length], labels, validation.labels());
    blind.notes().forEach(note -> progress.say("note: validation list: " + note));
    if (Double.isNaN(blind.mean())) {
      progress.say(
          "note: validation list: no label has an AUROC to choose an epoch by, so the first look's"
              + " is kept");
    }
  }

  private void save(OutputFolder folder, VisionTransformer model) {
    List<String> names = task.labelNames;
    List<String> given = names.equals(ListOptions.numbered(names.size())) ? null : names;
    if (task.mode == TrainMode.LORA) {
      Adapters.export(model)
          .with(new Provenance(task.recipe, given, startChecksum))
          .write(folder.path(ADAPTER));
    } else {
      SafetensorsWriter.write(
          folder.path(WEIGHTS),
          Adapters.mergedWeights(model),
          new Provenance(task.recipe, given, null).metadata());
    }
  }

  private void finish(
      OutputFolder folder,
      Device device,
      VisionTransformer best,
      Images images,
      TrainingRun.Result result,
      Progress progress) {
    int epochs = result.epochs().size();
    boolean stopped =
        epochs < task.options.epochs() || (images.test != null && result.test() == null);
    if (stopped) {
      progress.say(
          "stopped after epoch "
              + epochs
              + " of "
              + task.options.epochs()
              + (epochs < task.options.epochs() ? "" : ", before the end of the test list")
              + ": "
              + task.goOn);
    }
    if (result.bestEpoch() == 0) {
      progress.say(
          "stopped before the end of the first look at the validation list: nothing to keep");
      return;
    }
    if (result.test() == null) {
      folder.write(REPORT, HtmlReport.of(RunReport.of(task, result)));
    } else {
      ImageList list = images.test.list();
      folder.write(PREDICTIONS, Predictions.csv(list, result.test(), task.labelNames, false));
      try (Overlays overlays = new Overlays(device, best, images.test.preprocess())) {
        folder.write(REPORT, HtmlReport.of(RunReport.of(task, result, list, overlays)));
      }
    }
    say(result, progress);
    if (!stopped) {
      folder.write(RESULT, Json.pretty(describe(result)));
      StateFile.delete(path.resolve(STATE));
    }
  }

  private Map<String, Object> describe(TrainingRun.Result result) {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("version", Version.number());
    all.put("method", task.method);
    all.put("epochs", result.epochs().size());
    all.put("best_epoch", result.bestEpoch());
    all.put("val_auroc", result.best().validation().mean());
    all.put("val_loss", result.best().validationLoss());
    if (result.test() != null) {
      all.put("test", Measures.of(result.test()).describe(task.labelNames));
    }
    all.put("trained_parameters", result.trained());
    all.put("parameters", result.parameters());
    all.put("planned_device_bytes", result.plannedBytes());
    all.put("measured_device_bytes", result.measuredBytes());
    all.put("seconds", result.seconds());
    return all;
  }

  private void say(TrainingRun.Result result, Progress progress) {
    progress.say(
        "best epoch "
            + result.bestEpoch()
            + ": validation AUROC "
            + Format.decimals(result.best().validation().mean(), 4)
            + (result.test() == null
                ? ""
                : ", test AUROC " + Format.decimals(result.test().auroc().mean(), 4)));
    progress.say(
        "trained "
            + Format.count(result.trained())
            + " of "
            + Format.count(result.parameters())
            + " parameters ("
            + Format.percent(result.trained(), result.parameters())
            + ") in "
            + Format.seconds(result.seconds())
            + " (waiting for images "
            + Format.percent(result.waitingSeconds(), result.seconds())
            + "), device memory "
            + Format.bytes(result.measuredBytes())
            + " (planned "
            + Format.bytes(result.plannedBytes())
            + ")");
    progress.say("results in " + path);
  }
}
