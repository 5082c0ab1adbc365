// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.autograd.AdamW;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.data.Batches;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.CounterRandom;
import io.github.lorikeet.vision.image.CounterRandom.Purpose;
import io.github.lorikeet.vision.model.MaskedAutoencoder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Trains a masked autoencoder (He et al., arXiv 2111.06377) on images without labels, with AdamW of
 * betas .9 and .95 as there.
 */
public final class Pretrainer implements AutoCloseable {
  private final Device device;
  private final MaskedAutoencoder model;
  private final PretrainOptions options;
  private final int patches;
  private final int masked;
  private final AdamW optimizer = new AdamW(0.9f, 0.95f, 1e-8f);
  private final HostBatch inputs;
  private final Tape tape;
  private final Variable visibleTokens;
  private final Variable maskedTokens;
  private final Variable maskedPatches;
  private final Variable loss;
  private final MemoryPlan plan;

  /** Stays empty: the last values are the ones to keep. */
  private final Snapshot best = new Snapshot(List.of());

  private Path stateFile;
  private long steps;

  /** Records the step and plans its memory; nothing is allocated on the device yet. */
  public Pretrainer(Device device, MaskedAutoencoder model, PretrainOptions options) {
    this.device = device;
    this.model = model;
    this.options = options;
    patches = model.config().patches();
    masked = (int) Math.round(patches * options.maskRatio());
    if (masked < 1 || masked >= patches) {
      throw new IllegalArgumentException(
          "mask "
              + options.maskRatio()
              + " of "
              + patches
              + " patches: expected to mask one and to leave one");
    }
    ParameterGroups.apply(model.parameters(), model.config().depth(), options.weightDecay(), 1);
    tape = new Tape(device, true, options.seed(), options.activations());
    int batch = options.batch();
    inputs = new HostBatch(tape, batch, model.config().imageSize(), 0);
    visibleTokens = tape.input(DType.I32, batch, 1 + patches - masked);
    maskedTokens = tape.input(DType.I32, batch, masked);
    maskedPatches = tape.input(DType.I32, batch, masked);
    loss = tape.keep(model.loss(tape, inputs.images(), visibleTokens, maskedTokens, maskedPatches));
    tape.backward(loss);
    plan = MemoryPlan.of(optimizer, tape);
  }

  /** All device memory of the run: known before it starts. */
  public MemoryPlan plan() {
    return plan;
  }

  /**
   * Has {@link #train} write all that the run needs to go on to this file after every epoch, and go
   * on from it when it is there, to the same bits, as {@link Trainer#keepState} does.
   *
   * @return this
   */
  public Pretrainer keepState(Path file) {
    stateFile = file;
    return this;
  }

  /** Names the run: two of the same name end with the same bits. */
  public String identity(ImageLoader images) {
    return RunIdentity.of(device, model, options, images).toString();
  }

  /**
   * Trains to the end, or until the listener asks to stop; the model's parameters hold the last
   * values then. Once a pretrainer.
   *
   * @return the epochs that came to their end, those of earlier starts included
   * @throws TrainingException if the loss stops being a number, or the state to go on from is of
   *     another run or damaged
   */
  public List<EpochResult> train(ImageLoader images, TrainListener listener)
      throws InterruptedException {
    plan.allocate();
    TrainingState state = stateFile == null ? null : state(images);
    TrainingState.Reached reached = state == null ? TrainingState.Reached.NOTHING : state.read();
    steps = reached.passes();
    List<EpochResult> results = new ArrayList<>(reached.epochs());
    listener.onStart(reached.epochs(), state == null ? List.of() : state.warnings());
    for (int epoch = results.size(); epoch < options.epochs(); epoch++) {
      EpochResult result = trainEpoch(epoch, images, listener);
      if (result == null) {
        break;
      }
      results.add(result);
      listener.onEpoch(result);
      if (state != null) {
        double seconds = results.stream().mapToDouble(EpochResult::seconds).sum();
        state.write(new TrainingState.Reached(steps, seconds, results));
      }
    }
    return results;
  }

  private TrainingState state(ImageLoader images) {
    return new TrainingState(
        stateFile,
        RunIdentity.of(device, model, options, images),
        0,
        plan.trainedParameters(),
        optimizer,
        best);
  }

  /** Null where the listener asks to stop before the end. */
  private EpochResult trainEpoch(int epoch, ImageLoader images, TrainListener listener)
      throws InterruptedException {
    long start = System.nanoTime();
    long waiting = 0;
    double lossSum = 0;
    double learningRate = 0;
    try (Batches batches =
        images.training(options.batch(), options.augment(), options.seed(), epoch)) {
      for (int update = 0; update < batches.count(); update++) {
        if (listener.stopRequested()) {
          return null;
        }
        long before = System.nanoTime();
        inputs.fill(batches);
        waiting += System.nanoTime() - before;
        mask(batches, update, epoch);
        learningRate = options.schedule().learningRate(epoch + (double) update / batches.count());
        tape.run(steps++, false);
        before = System.nanoTime();
        inputs.prefetch(batches);
        waiting += System.nanoTime() - before;
        double value = loss.tensor().download()[0];
        if (!Double.isFinite(value)) {
          throw new TrainingException(
              "the loss became "
                  + value
                  + " in epoch "
                  + (epoch + 1)
                  + ", at a learning rate of "
                  + learningRate
                  + ": try a lower --lr");
        }
        optimizer.step((float) learningRate);
        lossSum += value;
        double seconds = (System.nanoTime() - start) / 1e9;
        listener.onUpdate(
            epoch + 1,
            update + 1,
            batches.count(),
            value,
            (update + 1) * options.batch() / seconds);
      }
      return new EpochResult(
          epoch + 1,
          learningRate,
          lossSum / batches.count(),
          Double.NaN,
          null,
          false,
          (System.nanoTime() - start) / 1e9,
          batches.count() * options.batch(),
          waiting / 1e9);
    }
  }

  /** Draws which patches of each image of the batch are masked, anew each epoch. */
  private void mask(Batches batches, int update, int epoch) {
    int batch = options.batch();
    int visible = 1 + patches - masked;
    int[] seen = new int[batch * visible];
    int[] hiddenTokens = new int[batch * masked];
    int[] hiddenPatches = new int[batch * masked];
    for (int i = 0; i < batch; i++) {
      int image = batches.index(update * batch + i);
      int[] order =
          new CounterRandom(options.seed(), epoch, image, Purpose.MASK).permutation(patches);
      Arrays.sort(order, 0, masked);
      Arrays.sort(order, masked, patches);
      for (int j = 0; j < patches; j++) {
        if (j < masked) {
          hiddenPatches[i * masked + j] = order[j];
          hiddenTokens[i * masked + j] = 1 + order[j];
        } else {
          seen[i * visible + 1 + j - masked] = 1 + order[j];
        }
      }
    }
    visibleTokens.tensor().upload(seen);
    maskedTokens.tensor().upload(hiddenTokens);
    maskedPatches.tensor().upload(hiddenPatches);
  }

  @Override
  public void close() {
    plan.close();
    best.close();
    inputs.close();
  }
}
