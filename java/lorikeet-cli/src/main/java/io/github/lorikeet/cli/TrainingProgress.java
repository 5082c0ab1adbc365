// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.vision.train.EpochResult;
import io.github.lorikeet.vision.train.TrainListener;
import java.util.List;
import java.util.function.BooleanSupplier;

/** Draws the progress line of a training or pretraining, and hands on what it is told. */
final class TrainingProgress implements TrainListener {
  /** Share of an epoch from which it is worth a note. */
  private static final double MUCH_WAITING = 0.2;

  private final Progress progress;
  private final int epochs;
  private final long updateImages;
  private final long epochImages;
  private final long peakBytes;
  private final BooleanSupplier stop;
  private final TrainListener next;
  private double auroc = Double.NaN;
  private double lossSum;
  private boolean saidWaiting;

  /**
   * @param listImages images of the training list; those beyond the last whole update are not seen
   * @param updateImages images an update
   * @param peakBytes of device memory
   * @param stop asked before every update and batch of a look whether to end early
   * @param next told what this one is told
   */
  TrainingProgress(
      Progress progress,
      int epochs,
      int listImages,
      int updateImages,
      long peakBytes,
      BooleanSupplier stop,
      TrainListener next) {
    this.progress = progress;
    this.epochs = epochs;
    this.updateImages = updateImages;
    this.epochImages = listImages / updateImages * updateImages;
    this.peakBytes = peakBytes;
    this.stop = stop;
    this.next = next;
  }

  @Override
  public void onStart(List<EpochResult> done, List<String> warnings) {
    warnings.forEach(w -> progress.say("warning: " + w + "; going on from the state before it"));
    if (!done.isEmpty()) {
      progress.say("going on after epoch " + done.size());
    }
    progress.startFrom(done.size() * epochImages);
    done.stream().filter(e -> e.validation() != null).forEach(e -> auroc = e.validation().mean());
    next.onStart(done, warnings);
  }

  @Override
  public void onUpdate(int epoch, int update, int updates, double loss, double imagesPerSecond) {
    lossSum = update == 1 ? loss : lossSum + loss;
    long seen = (epoch - 1) * epochImages + update * updateImages;
    progress.show(
        new Progress.State(
            epoch, epochs, seen, epochs * epochImages, lossSum / update, auroc, peakBytes));
    next.onUpdate(epoch, update, updates, loss, imagesPerSecond);
  }

  @Override
  public void onLook(int epoch, int done, int images) {
    if (done == 0) {
      progress.beginPart("epoch " + epoch + "/" + epochs + ", validation");
    } else {
      progress.showPart(done, images);
    }
    next.onLook(epoch, done, images);
  }

  @Override
  public void onEpoch(EpochResult result) {
    // The first epoch fills the cache.
    if (result.epoch() > 1 && result.waitingShare() > MUCH_WAITING && !saidWaiting) {
      saidWaiting = true;
      progress.say(
          "note: "
              + Format.percent(result.waitingSeconds(), result.seconds())
              + " of epoch "
              + result.epoch()
              + " went by waiting for images; more threads or a larger cache of them may help");
    }
    if (result.validation() != null) {
      auroc = result.validation().mean();
    }
    next.onEpoch(result);
  }

  @Override
  public boolean stopRequested() {
    return stop.getAsBoolean();
  }
}
