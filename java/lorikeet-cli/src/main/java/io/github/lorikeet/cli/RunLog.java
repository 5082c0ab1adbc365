// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.cli.output.OutputFolder;
import io.github.lorikeet.vision.log.EventFile;
import io.github.lorikeet.vision.train.EpochResult;
import io.github.lorikeet.vision.train.TrainListener;
import io.github.lorikeet.vision.train.TrainOptions;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a run writes while it goes on: config.json, log.jsonl with a line an epoch, and
 * TensorBoard's event file.
 */
final class RunLog implements TrainListener, AutoCloseable {
  /** Its name in a run's folder. */
  static final String FILE = "log.jsonl";

  private final OutputFolder folder;
  private final TrainingFolder.Task task;
  private final TrainOptions options;
  private final int batches;
  private final Runnable onBest;
  private long memoryBytes;
  private EventFile events;

  /**
   * @param images of the training list
   * @param onBest called after an epoch that is the best so far
   */
  RunLog(OutputFolder folder, TrainingFolder.Task task, int images, Runnable onBest) {
    this.folder = folder;
    this.task = task;
    this.onBest = onBest;
    options = task.options();
    batches = images / options.batch();
  }

  /** Says how much device memory the run takes, before it starts. */
  void deviceBytes(long bytes) {
    memoryBytes = bytes;
  }

  @Override
  public void onStart(List<EpochResult> done, List<String> warnings) {
    folder.write(TrainingFolder.CONFIG, Json.pretty(task.config()));
    StringBuilder lines = new StringBuilder();
    done.forEach(epoch -> lines.append(line(epoch)).append('\n'));
    folder.write(FILE, lines.toString());
    events = EventFile.create(folder.path("."), step(done.size(), 1), InstantSource.system());
  }

  private String line(EpochResult epoch) {
    return Json.line(RunFiles.epoch(epoch, task.labelNames()));
  }

  /** Updates done after this one, the epoch counted from 0 and the update from 1. */
  private long step(int epoch, int update) {
    return (long) epoch * (batches / options.accumulate()) + update;
  }

  @Override
  public void onUpdate(int epoch, int update, int updates, double loss, double imagesPerSecond) {
    double before = (double) (update - 1) * options.accumulate() / batches;
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("train/loss", loss);
    values.put("train/lr", options.schedule().learningRate(epoch - 1 + before));
    events.scalars(step(epoch - 1, update), values);
  }

  @Override
  public void onEpoch(EpochResult epoch) {
    folder.append(FILE, line(epoch));
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("train/images_per_second", epoch.imagesPerSecond());
    values.put("train/waiting_share", epoch.waitingShare());
    values.put("memory/device_bytes", (double) memoryBytes);
    if (epoch.validation() != null) {
      values.put("val/loss", epoch.validationLoss());
      values.put("val/auroc", epoch.validation().mean());
      for (int i = 0; i < task.labelNames().size(); i++) {
        values.put("val/auroc/" + task.labelNames().get(i), epoch.validation().perLabel().get(i));
      }
    }
    events.scalars(step(epoch.epoch(), 0), values);
    events.flush();
    if (epoch.best()) {
      onBest.run();
    }
  }

  @Override
  public void close() {
    if (events != null) {
      events.close();
    }
  }
}
