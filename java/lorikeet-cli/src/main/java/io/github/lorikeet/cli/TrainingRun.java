// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.train.EpochResult;
import io.github.lorikeet.vision.train.Scores;
import io.github.lorikeet.vision.train.TrainListener;
import io.github.lorikeet.vision.train.TrainOptions;
import io.github.lorikeet.vision.train.Trainer;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/** One training of one model, shown on the progress line: what train and demo share. */
final class TrainingRun {
  /**
   * How a run went.
   *
   * @param epochs in order
   * @param bestEpoch whose values the test list was run with, from 1
   * @param test the test list's scores; null without a test list or where the run was stopped
   * @param plan rows of the memory plan
   * @param trained parameters that were trained
   * @param parameters of the whole model
   * @param plannedBytes of device memory
   * @param measuredBytes of device memory, the most at once
   * @param seconds of training, looks at the validation list included
   */
  record Result(
      List<EpochResult> epochs,
      int bestEpoch,
      Scores test,
      List<MemoryPlan.Row> plan,
      long trained,
      long parameters,
      long plannedBytes,
      long measuredBytes,
      double seconds) {
    /** Of all epochs' seconds, those spent waiting for images. */
    double waitingSeconds() {
      return epochs.stream().mapToDouble(EpochResult::waitingSeconds).sum();
    }

    /** The epoch whose values are kept. */
    EpochResult best() {
      return epochs.get(bestEpoch - 1);
    }
  }

  private final String name;
  private final TrainOptions options;
  private final Progress progress;
  private final BooleanSupplier stop;
  private TrainListener listener = new TrainListener() {};
  private Consumer<MemoryPlan> onPlan = plan -> {};
  private Path state;

  /**
   * @param name shown before the progress
   * @param stop asked before every batch whether to end early
   */
  TrainingRun(String name, TrainOptions options, Progress progress, BooleanSupplier stop) {
    this.name = name;
    this.options = options;
    this.progress = progress;
    this.stop = stop;
  }

  TrainingRun onPlan(Consumer<MemoryPlan> listener) {
    onPlan = listener;
    return this;
  }

  TrainingRun listener(TrainListener told) {
    listener = told;
    return this;
  }

  /** Keeps the run's state in this file and goes on from it, see {@link Trainer#keepState}. */
  TrainingRun keepState(Path file) {
    state = file;
    return this;
  }

  /**
   * Trains the model, then runs the test list with the best values, unless it is stopped.
   *
   * @param test null for none
   * @param afterwards called with the best values in the model's parameters, before its memory goes
   */
  Result run(
      Device device,
      VisionTransformer model,
      ImageLoader training,
      ImageLoader validation,
      ImageLoader test,
      Runnable afterwards)
      throws InterruptedException {
    device.resetPeak();
    try (Trainer trainer = new Trainer(device, model, options)) {
      MemoryPlan plan = trainer.plan();
      onPlan.accept(plan);
      if (state != null) {
        trainer.keepState(state);
      }
      progress.begin(name);
      List<EpochResult> epochs =
          trainer.train(
              training,
              validation,
              new TrainingProgress(
                  progress,
                  options.epochs(),
                  training.list().size(),
                  options.batch() * options.accumulate(),
                  plan.peakBytes(),
                  stop,
                  listener));
      Scores scores = test == null || trainer.bestEpoch() == 0 ? null : scores(trainer, test);
      if (trainer.bestEpoch() > 0) {
        afterwards.run();
      }
      return new Result(
          epochs,
          trainer.bestEpoch(),
          scores,
          plan.rows(),
          plan.trainedParameterCount(),
          plan.parameterCount(),
          plan.peakBytes(),
          trainer.measuredPeakBytes(),
          trainer.seconds());
    } finally {
      progress.close();
    }
  }

  private Scores scores(Trainer trainer, ImageLoader test) throws InterruptedException {
    progress.beginPart("test");
    int images = test.list().size();
    return trainer.evaluate(test, done -> progress.showPart(done, images), stop);
  }
}
