// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Optimizer;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.data.Batches;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.metrics.Auroc;
import io.github.lorikeet.vision.model.VisionTransformer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Trains a vision transformer's trainable parameters as a classifier with binary cross-entropy,
 * looks at a validation list, and keeps the values that were best there, as "Less Could Be Better"
 * (arXiv 2401.12215) does.
 *
 * <p>One step, from here to the kernels: {@link #update} fills the tape's inputs and runs it;
 * {@link Tape#run} walks the calls that {@link VisionTransformer#forward} and the backward pass
 * recorded; each is one {@link io.github.lorikeet.core.Kernels} method, which is one native
 * function.
 */
public final class Trainer implements AutoCloseable {
  private final Device device;
  private final VisionTransformer model;
  private final TrainOptions options;
  private final Optimizer optimizer;
  private final Evaluator evaluator;
  private final HostBatch inputs;
  private final Tape tape;
  private final Variable loss;
  private final MemoryPlan plan;
  private final Map<Parameter, float[]> best = new LinkedHashMap<>();
  private double bestAuroc = Double.NEGATIVE_INFINITY;
  private int bestEpoch;
  private long steps;

  /** Records the steps and plans their memory; nothing is allocated on the device yet. */
  public Trainer(Device device, VisionTransformer model, TrainOptions options) {
    this.device = device;
    this.model = model;
    this.options = options;
    ParameterGroups.apply(
        model.parameters(), model.config().depth(), options.weightDecay(), options.layerDecay());
    optimizer = options.newOptimizer();
    tape = new Tape(device, true, options.seed());
    inputs = new HostBatch(tape, options.batch(), model.config().imageSize(), model.labels());
    Variable logits = model.forward(tape, inputs.images(), (float) options.dropPath());
    loss = tape.keep(tape.bceWithLogits(logits, inputs.targets()));
    tape.backward(loss, 1f / options.accumulate());
    evaluator = new Evaluator(device, model, options.batch());
    plan = MemoryPlan.of(optimizer, tape, evaluator.tape());
  }

  /** All device memory of the run: known before it starts. */
  public MemoryPlan plan() {
    return plan;
  }

  /**
   * The epoch, counted from 1, whose values the model has after training; 0 before the first look.
   */
  public int bestEpoch() {
    return bestEpoch;
  }

  /**
   * Trains to the end, or until the listener asks to stop; the model's parameters hold the best
   * values then. Once a trainer.
   *
   * @throws IllegalArgumentException if the lists do not fit the model or the batch
   * @throws TrainingException if the loss stops being a number
   */
  public List<EpochResult> train(
      ImageLoader training, ImageLoader validation, TrainListener listener)
      throws InterruptedException {
    check(training);
    check(validation);
    plan.allocate();
    List<EpochResult> results = new ArrayList<>();
    for (int epoch = 0; epoch < options.epochs() && !listener.stopRequested(); epoch++) {
      Passage passage = trainEpoch(epoch, training, listener);
      if (passage.stopped) {
        break;
      }
      boolean look = (epoch + 1) % options.evaluateEvery() == 0 || epoch + 1 == options.epochs();
      EpochResult result = passage.result(epoch, look ? evaluator.run(validation) : null);
      results.add(result);
      listener.onEpoch(result);
    }
    restoreBest();
    return results;
  }

  private void check(ImageLoader loader) {
    if (loader.list().labels() != model.labels()) {
      throw new IllegalArgumentException(
          "a list with " + loader.list().labels() + " labels an image, expected " + model.labels());
    }
  }

  /** Updates an epoch makes; passes that would fill no whole update are left out. */
  private int updates(int batches) {
    if (batches < options.accumulate()) {
      throw new IllegalArgumentException(
          "accumulate "
              + options.accumulate()
              + ": an epoch has only "
              + batches
              + " batches of "
              + options.batch());
    }
    return batches / options.accumulate();
  }

  private Passage trainEpoch(int epoch, ImageLoader loader, TrainListener listener)
      throws InterruptedException {
    Passage passage = new Passage();
    try (Batches batches =
        loader.training(options.batch(), options.augment(), options.seed(), epoch)) {
      int updates = updates(batches.count());
      for (int update = 0; update < updates; update++) {
        if (listener.stopRequested()) {
          passage.stopped = true;
          break;
        }
        double done = (double) update * options.accumulate() / batches.count();
        passage.learningRate = options.schedule().learningRate(epoch + done);
        double loss = update(batches, passage);
        if (!Double.isFinite(loss)) {
          throw new TrainingException(
              "the loss became "
                  + loss
                  + " in epoch "
                  + (epoch + 1)
                  + ", update "
                  + (update + 1)
                  + ", at a learning rate of "
                  + passage.learningRate
                  + ": try a lower --lr or --clip 1");
        }
        passage.lossSum += loss;
        passage.updates++;
        listener.onUpdate(epoch + 1, update + 1, updates, loss, passage.images / passage.seconds());
      }
    }
    passage.end = System.nanoTime();
    return passage;
  }

  /**
   * One update of the parameters: the gradient of {@code accumulate} batches, then the optimiser.
   */
  private double update(Batches batches, Passage passage) throws InterruptedException {
    double sum = 0;
    for (int pass = 0; pass < options.accumulate(); pass++) {
      long before = System.nanoTime();
      passage.images += inputs.fill(batches);
      passage.waitingNanos += System.nanoTime() - before;
      tape.run(steps++, pass > 0);
      sum += loss.tensor().download()[0];
    }
    optimizer.step((float) passage.learningRate);
    return sum / options.accumulate();
  }

  /** One epoch on its way. */
  private final class Passage {
    private final long start = System.nanoTime();
    private long end;
    private long waitingNanos;
    private double learningRate;
    private double lossSum;
    private int updates;
    private int images;
    private boolean stopped;

    double seconds() {
      return ((end == 0 ? System.nanoTime() : end) - start) / 1e9;
    }

    EpochResult result(int epoch, Scores scores) {
      Auroc auroc = scores == null ? null : scores.auroc();
      boolean isBest = auroc != null && keepIfBest(auroc.mean(), epoch + 1);
      return new EpochResult(
          epoch + 1,
          learningRate,
          lossSum / updates,
          scores == null ? Double.NaN : scores.loss(),
          auroc,
          isBest,
          seconds(),
          images,
          waitingNanos / 1e9);
    }
  }

  /** The first look is kept whatever it shows, even where no label has an AUROC. */
  private boolean keepIfBest(double auroc, int epoch) {
    if (bestEpoch > 0 && !(auroc > bestAuroc)) {
      return false;
    }
    bestAuroc = Double.isNaN(auroc) ? Double.NEGATIVE_INFINITY : auroc;
    bestEpoch = epoch;
    for (Parameter parameter : plan.parameters()) {
      if (parameter.trainable()) {
        best.put(parameter, parameter.download());
      }
    }
    return true;
  }

  private void restoreBest() {
    best.forEach((parameter, values) -> parameter.load(HostTensor.of(values, parameter.sizes())));
  }

  /** Logits of a list under the parameters as they are now; after training, the best ones. */
  public Scores evaluate(ImageLoader loader) throws InterruptedException {
    return evaluator.run(loader);
  }

  /** Most bytes in use on the device at once since it was opened or its peak was reset. */
  public long measuredPeakBytes() {
    return device.memory().peakBytes();
  }

  @Override
  public void close() {
    plan.close();
    evaluator.close();
    inputs.close();
  }
}
