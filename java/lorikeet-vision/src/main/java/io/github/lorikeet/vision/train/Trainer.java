// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Optimizer;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.data.Batches;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.metrics.Auroc;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.weights.StateFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.IntConsumer;

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
  private final List<Parameter> trained;
  private final Snapshot best;
  private Path stateFile;
  private double bestAuroc = Double.NEGATIVE_INFINITY;
  private int bestEpoch;
  private long passes;
  private double seconds;

  /** Records the steps and plans their memory; nothing is allocated on the device yet. */
  public Trainer(Device device, VisionTransformer model, TrainOptions options) {
    this.device = device;
    this.model = model;
    this.options = options;
    ParameterGroups.apply(
        model.parameters(), model.config().depth(), options.weightDecay(), options.layerDecay());
    optimizer = options.newOptimizer();
    tape = new Tape(device, true, options.seed(), options.activations());
    inputs = new HostBatch(tape, options.batch(), model.config().imageSize(), model.labels());
    Variable logits = model.forward(tape, inputs.images(), (float) options.dropPath());
    loss = tape.keep(tape.bceWithLogits(logits, inputs.targets()));
    tape.backward(loss, 1f / options.accumulate());
    evaluator = new Evaluator(device, model, options.batch(), options.activations());
    plan = MemoryPlan.of(optimizer, tape, evaluator.tape());
    trained = plan.trainedParameters();
    best = new Snapshot(trained);
  }

  /**
   * Has {@link #train} write all that the run needs to go on to this file after every epoch, and go
   * on from it when it is there: a run that ended at any moment, in whatever way, loses at most the
   * epoch it was in, and a new trainer of the same device, model, options and lists ends with the
   * same bits as one that was never interrupted. The state before the last is kept beside it, and
   * used where the last is damaged. {@link StateFile#delete} removes both, once the run's results
   * are safe or to start anew.
   *
   * @return this
   */
  public Trainer keepState(Path file) {
    stateFile = file;
    return this;
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

  /** Seconds of training, looks at the validation list and earlier starts of the run included. */
  public double seconds() {
    return seconds;
  }

  /**
   * Trains to the end, or until the listener asks to stop; the model's parameters hold the best
   * values then. Once a trainer.
   *
   * @return every epoch's result, those of earlier starts included
   * @throws IllegalArgumentException if the lists do not fit the model or the batch
   * @throws TrainingException if the loss of an update or of a look stops being a number, or the
   *     state to go on from is of another run or damaged
   */
  public List<EpochResult> train(
      ImageLoader training, ImageLoader validation, TrainListener listener)
      throws InterruptedException {
    check(training);
    check(validation);
    plan.allocate();
    TrainingState state = stateFile == null ? null : state(training, validation);
    List<EpochResult> results = new ArrayList<>(goOn(state, listener));
    for (int epoch = results.size(); epoch < options.epochs(); epoch++) {
      if (listener.stopRequested()) {
        break;
      }
      long start = System.nanoTime();
      Passage passage = trainEpoch(epoch, training, listener);
      if (passage.stopped) {
        break;
      }
      boolean look = (epoch + 1) % options.evaluateEvery() == 0 || epoch + 1 == options.epochs();
      Scores scores = look ? look(epoch + 1, validation, listener) : null;
      if (look && scores == null) {
        break;
      }
      if (look) {
        checkLoss(scores, epoch, passage.learningRate);
      }
      EpochResult result = passage.result(epoch, scores);
      seconds += (System.nanoTime() - start) / 1e9;
      results.add(result);
      listener.onEpoch(result);
      if (state != null) {
        state.write(new TrainingState.Reached(passes, seconds, results));
      }
    }
    best.restore();
    return results;
  }

  private TrainingState state(ImageLoader training, ImageLoader validation) {
    return new TrainingState(
        stateFile,
        RunIdentity.of(device, model, options, training, validation),
        model.labels(),
        trained,
        optimizer,
        best);
  }

  /** The epochs that an earlier start has done, after which everything is as they left it. */
  private List<EpochResult> goOn(TrainingState state, TrainListener listener) {
    TrainingState.Reached reached = state == null ? TrainingState.Reached.NOTHING : state.read();
    passes = reached.passes();
    seconds = reached.seconds();
    for (EpochResult result : reached.epochs()) {
      if (result.best()) {
        best(result.validation().mean(), result.epoch());
      }
    }
    listener.onStart(reached.epochs(), state == null ? List.of() : state.warnings());
    return reached.epochs();
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
        if (!Double.isFinite(loss) && epoch == 0 && update == 0) {
          throw new TrainingException(
              "the loss is "
                  + loss
                  + " before any update: expected weights and images of finite numbers"
                  + (options.activations() == DType.F32 ? "" : "; try --dtype f32"));
        }
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
      tape.run(passes++, pass > 0);
      before = System.nanoTime();
      inputs.prefetch(batches);
      passage.waitingNanos += System.nanoTime() - before;
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
    best(auroc, epoch);
    best.take();
    return true;
  }

  private void best(double auroc, int epoch) {
    bestAuroc = Double.isNaN(auroc) ? Double.NEGATIVE_INFINITY : auroc;
    bestEpoch = epoch;
  }

  /** The validation list's scores; null if the listener asked to stop. */
  private Scores look(int epoch, ImageLoader validation, TrainListener listener)
      throws InterruptedException {
    int images = validation.list().size();
    listener.onLook(epoch, 0, images);
    return evaluate(
        validation, done -> listener.onLook(epoch, done, images), listener::stopRequested);
  }

  /** After the last update of all, only a look can tell that it led too far. */
  private static void checkLoss(Scores scores, int epoch, double learningRate) {
    double loss = scores.loss();
    // A list without images or labels has no loss.
    if (scores.logits().length > 0 && !Double.isFinite(loss)) {
      throw new TrainingException(
          "the validation loss became "
              + loss
              + " in epoch "
              + (epoch + 1)
              + ", at a learning rate of "
              + learningRate
              + ": try a lower --lr or --clip 1");
    }
  }

  /** Logits of a list under the parameters as they are now; after training, the best ones. */
  public Scores evaluate(ImageLoader loader) throws InterruptedException {
    return evaluate(loader, done -> {}, () -> false);
  }

  /**
   * Logits of a list under the parameters as they are now; after training, the best ones.
   *
   * @param progress told the images done after every batch
   * @param stop asked before every batch whether to end here
   * @return null if it was asked to end
   * @throws TrainingException if one is no number, as after an update that leads too far
   */
  public Scores evaluate(ImageLoader loader, IntConsumer progress, BooleanSupplier stop)
      throws InterruptedException {
    Scores scores = evaluator.run(loader, progress, stop);
    if (scores != null && scores.firstNan() >= 0) {
      throw new TrainingException("the model's answers became NaN: try a lower --lr or --clip 1");
    }
    return scores;
  }

  /** Most bytes in use on the device at once since it was opened or its peak was reset. */
  public long measuredPeakBytes() {
    return device.memory().peakBytes();
  }

  @Override
  public void close() {
    plan.close();
    best.close();
    evaluator.close();
    inputs.close();
  }
}
