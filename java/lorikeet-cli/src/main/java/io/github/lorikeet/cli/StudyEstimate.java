// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.StudyRecipes.Start;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.data.StudyData;
import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.image.ImageDecoder;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.model.VitConfig;
import io.github.lorikeet.vision.train.TrainListener;
import io.github.lorikeet.vision.train.TrainMode;
import io.github.lorikeet.vision.train.TrainOptions;
import io.github.lorikeet.vision.train.TrainOptions.OptimizerKind;
import io.github.lorikeet.vision.train.Trainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;

/**
 * What a run will take. Memory is planned by the run's own plan, without allocating it; time is
 * reckoned from a few updates and looks by the same model and method on a few images, and from
 * decoding one image of the same data set.
 */
final class StudyEstimate {
  private static final long TRIAL_NANOS = 400_000_000L;
  private static final int DECODINGS = 5;
  private static final int MOST_UPDATES = 100;

  /** A trial's batch is of so many images, fewer for models whose batch has more weights. */
  private static final int MOST_IMAGES = 8;

  private static final long LARGE = 50_000_000L;

  /** Seconds an image. */
  private record Speed(double training, double looking) {}

  private record Trial(VitConfig model, TrainMode mode) {}

  /** What a run's memory depends on, the batch aside. */
  private record Shape(
      VitConfig model, TrainMode mode, int labels, int rank, OptimizerKind optimizer) {}

  private final StudyFiles files;
  private final StudyRun.Scale scale;
  private final Device device;
  private final int loaderThreads;
  private final Map<Start, VitConfig> configs = new EnumMap<>(Start.class);
  private final Map<Shape, Long> bytes = new HashMap<>();
  private final Map<Trial, Speed> speeds = new HashMap<>();
  private final Map<StudyData, Double> decoding = new EnumMap<>(StudyData.class);

  StudyEstimate(StudyFiles files, StudyRun.Scale scale, Device device, int loaderThreads) {
    this.files = files;
    this.scale = scale;
    this.device = device;
    this.loaderThreads = loaderThreads;
  }

  /**
   * A run's plan.
   *
   * @param images of the training list
   * @param updates of the parameters in all
   * @param bytes of device memory
   * @param seconds from start to end, reckoned
   */
  record Plan(StudyRun run, int images, int epochs, long updates, long bytes, double seconds) {}

  Plan of(StudyRun run) throws InterruptedException {
    StudyTask task = run.task();
    int images = files.training(task).size();
    int validation = files.validation(task).size();
    int test = files.test(task).size();
    TrainOptions options = run.options(files.imageSize(task.start()), scale);
    VitConfig config =
        configs.computeIfAbsent(
            task.start(), start -> run.model(files.model(start), scale.imageSize()).config());
    long memory = bytes(run, config, options);
    Speed speed = speed(run, config);
    double decode = decoding(run) / loaderThreads;
    int looks = Math.ceilDiv(options.epochs(), options.evaluateEvery());
    double seconds =
        (double) options.epochs() * images * Math.max(speed.training, decode)
            + ((double) looks * validation + test) * Math.max(speed.looking, decode);
    return new Plan(
        run,
        images,
        options.epochs(),
        (long) options.epochs() * (images / options.batch()),
        memory,
        seconds);
  }

  private long bytes(StudyRun run, VitConfig config, TrainOptions options) {
    StudyTask task = run.task();
    Shape shape =
        new Shape(
            config,
            run.mode(),
            task.data().labels().size(),
            task.recipe(run.mode()).rank(),
            options.optimizer());
    return bytes.computeIfAbsent(
        shape,
        planned -> {
          VisionTransformer model = run.model(files.model(task.start()), scale.imageSize());
          try (Trainer trainer = new Trainer(device, model, options)) {
            return trainer.plan().peakBytes();
          }
        });
  }

  private Speed speed(StudyRun run, VitConfig config) throws InterruptedException {
    Trial trial = new Trial(config, run.mode());
    if (!speeds.containsKey(trial)) {
      speeds.put(trial, measure(run));
    }
    return speeds.get(trial);
  }

  /** Trains for a moment and looks for a moment, and takes the quickest of each. */
  private Speed measure(StudyRun run) throws InterruptedException {
    StudyTask task = run.task();
    Preprocess preprocess = files.preprocess(task.start());
    VisionTransformer model = run.model(files.model(task.start()), scale.imageSize());
    long parameters = model.parameters().stream().mapToLong(Parameter::elements).sum();
    int batch = Math.clamp(LARGE / parameters, 1, MOST_IMAGES);
    StudyRun.Scale small =
        new StudyRun.Scale(
            MOST_UPDATES,
            batch,
            scale.imageSize(),
            scale.cropScale(),
            1,
            MOST_UPDATES,
            scale.activations());
    Path list = null;
    try {
      list = Files.createTempFile("lorikeet", ".txt");
      ImageList images = first(files.training(task), batch, list);
      Stopwatch watch = new Stopwatch();
      try (ImageLoader loader = new ImageLoader(images, preprocess, 1, Integer.MAX_VALUE);
          Trainer trainer = new Trainer(device, model, run.options(preprocess.size(), small))) {
        trainer.train(loader, loader, watch);
        double looking = Double.POSITIVE_INFINITY;
        long begun = System.nanoTime();
        for (int i = 0; i < 2 || System.nanoTime() - begun < TRIAL_NANOS; i++) {
          long start = System.nanoTime();
          trainer.evaluate(loader);
          looking = Math.min(looking, (System.nanoTime() - start) / 1e9);
        }
        return new Speed(watch.quickest / batch, looking / batch);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write a temporary list", e);
    } finally {
      delete(list);
    }
  }

  /** Ends a training after a moment, the second update at the earliest. */
  private static final class Stopwatch implements TrainListener {
    private long begun;
    private long last;
    private int updates;
    private double quickest = Double.POSITIVE_INFINITY;

    @Override
    public void onUpdate(int epoch, int update, int inAll, double loss, double imagesPerSecond) {
      long now = System.nanoTime();
      if (updates++ == 0) {
        begun = now;
      } else {
        quickest = Math.min(quickest, (now - last) / 1e9);
      }
      last = now;
    }

    @Override
    public boolean stopRequested() {
      return updates >= 2 && last - begun > TRIAL_NANOS;
    }
  }

  private static ImageList first(ImageList list, int count, Path file) throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int image = 0; image < count; image++) {
      lines.append(list.path(Math.min(image, list.size() - 1)).toAbsolutePath());
      for (int label = 0; label < list.labels(); label++) {
        lines.append(' ').append(list.label(Math.min(image, list.size() - 1), label));
      }
      lines.append('\n');
    }
    return ImageList.read(Files.writeString(file, lines), null, list.labels());
  }

  private static void delete(Path list) {
    try {
      if (list != null) {
        Files.deleteIfExists(list);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(list + ": cannot be deleted", e);
    }
  }

  /** Seconds that one thread takes for a training view of an image, from its file. */
  private double decoding(StudyRun run) {
    StudyTask task = run.task();
    return decoding.computeIfAbsent(
        task.data(),
        data -> {
          Augment augment = run.options(files.imageSize(task.start()), scale).augment();
          Path file = files.training(task).path(0);
          double quickest = Double.POSITIVE_INFINITY;
          for (int time = 0; time < DECODINGS; time++) {
            long start = System.nanoTime();
            augment.prepare(
                ImageDecoder.read(file),
                files.preprocess(task.start()),
                0,
                time,
                0,
                new float[files.preprocess(task.start()).elements()]);
            quickest = Math.min(quickest, (System.nanoTime() - start) / 1e9);
          }
          return quickest;
        });
  }
}
