// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.StudyRecipes.Start;
import io.github.lorikeet.cli.output.OutputLock;
import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.ImageException;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.train.TrainOptions;
import io.github.lorikeet.vision.train.TrainingException;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;

/**
 * Does a study's runs, each in a folder of its own. Finished ones are passed over, an interrupted
 * one goes on; so the same command, however often it was ended, ends with the same bits.
 */
final class StudyRunner {
  private final StudyFiles files;
  private final StudyRun.Scale scale;
  private final Path out;
  private final Device device;
  private final int loaderThreads;
  private final long cacheBytes;
  private final Progress progress;
  private final BooleanSupplier stop;

  /**
   * @param cacheBytes of decoded images kept, a list
   * @param stop asked before every batch whether to end early
   */
  StudyRunner(
      StudyFiles files,
      StudyRun.Scale scale,
      Path out,
      Device device,
      int loaderThreads,
      long cacheBytes,
      Progress progress,
      BooleanSupplier stop) {
    this.files = files;
    this.scale = scale;
    this.out = out;
    this.device = device;
    this.loaderThreads = loaderThreads;
    this.cacheBytes = cacheBytes;
    this.progress = progress;
    this.stop = stop;
  }

  /**
   * @return runs that failed, by a loss that is no number or an image that cannot be read; the
   *     others are finished, unless it was asked to stop
   */
  int run(List<StudyRun> runs) throws InterruptedException {
    List<TrainingFolder> folders = runs.stream().map(this::folder).toList();
    folders.forEach(TrainingFolder::isFinished); // throws where another study's run is
    checkModels(runs);
    int failed = 0;
    for (int i = 0; i < runs.size() && !stop.getAsBoolean(); i++) {
      StudyRun run = runs.get(i);
      String name = "[" + (i + 1) + "/" + runs.size() + "] " + run.title();
      TrainingFolder folder = folders.get(i);
      if (folder.isFinished()) {
        progress.say(name + ": finished before");
        continue;
      }
      progress.say(name);
      try {
        run(run, folder);
      } catch (TrainingException | ImageException e) {
        failed++;
        progress.say(name + ": failed: " + e.getMessage());
      }
    }
    return failed;
  }

  /**
   * Makes a model of each start: a file that is none is told of before hours of others' runs, and
   * so is what was left out of one.
   */
  private void checkModels(List<StudyRun> runs) {
    Set<Start> checked = EnumSet.noneOf(Start.class);
    for (StudyRun run : runs) {
      if (checked.add(run.task().start())) {
        run.model(files.model(run.task().start()), scale.imageSize());
      }
    }
    for (Start start : checked) {
      files.model(start).notes().forEach(note -> progress.say("note: " + start.id() + ": " + note));
    }
  }

  /** Reads the run's lists and weights, whose checksums its configuration has. */
  private TrainingFolder folder(StudyRun run) {
    StudyTask task = run.task();
    TrainOptions options = run.options(files.imageSize(task.start()), scale);
    Map<String, Object> config =
        run.config(
            options,
            files.describe(task.start()),
            files.training(task),
            files.validation(task),
            files.test(task),
            device);
    config.put(TrainingFolder.WEIGHTS_PATH, files.weights(task.start()).toString());
    config.put(TrainingFolder.LISTS_PATH, files.folder(task.data()).toString());
    return new TrainingFolder(
            run.folder(out),
            new TrainingFolder.Task(
                task.title() + ": " + run.method(),
                run.mode(),
                run.method(),
                options,
                task.data().labels(),
                task.start().id(),
                config,
                "the same command goes on"))
        .startsFrom(files.model(task.start()).checksum());
  }

  private void run(StudyRun run, TrainingFolder folder) throws InterruptedException {
    StudyTask task = run.task();
    ModelFile file = files.model(task.start());
    VisionTransformer model = run.model(file, scale.imageSize());
    Preprocess preprocess = files.preprocess(task.start());
    try (OutputLock _ = OutputLock.ofFolder(run.folder(out));
        ImageLoader training = loader(files.training(task), preprocess);
        ImageLoader validation = loader(files.validation(task), preprocess);
        ImageLoader test = loader(files.test(task), preprocess)) {
      folder.run(
          device, model, new TrainingFolder.Images(training, validation, test), progress, stop);
    }
  }

  private ImageLoader loader(ImageList list, Preprocess preprocess) {
    return new ImageLoader(list, preprocess, loaderThreads, cacheBytes);
  }
}
