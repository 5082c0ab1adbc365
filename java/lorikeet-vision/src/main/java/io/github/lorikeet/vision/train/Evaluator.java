// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.data.Batches;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.model.VisionTransformer;
import java.util.function.BooleanSupplier;
import java.util.function.IntConsumer;

/**
 * A model's logits for lists of images. An image's logits do not depend on the batch it is in. The
 * tape is to be part of a memory plan, alone or beside a training tape.
 */
public final class Evaluator implements AutoCloseable {
  private final int batch;
  private final int labels;
  private final Tape tape;
  private final HostBatch inputs;
  private final Variable logits;

  /**
   * @param batch images a forward pass
   * @param activations numbers that layers work on: f32, bf16 or f16
   */
  public Evaluator(Device device, VisionTransformer model, int batch, DType activations) {
    this.batch = batch;
    labels = model.labels();
    tape = new Tape(device, false, 0, activations);
    inputs = new HostBatch(tape, batch, model.config().imageSize(), 0);
    logits = tape.keep(model.forward(tape, inputs.images(), 0));
  }

  public Tape tape() {
    return tape;
  }

  /** Logits of every image of the loader's list, in its order. */
  public Scores run(ImageLoader loader) throws InterruptedException {
    return run(loader, done -> {}, () -> false);
  }

  /**
   * @param progress told the images done after every batch
   * @param stop asked before every batch whether to end here
   * @return null if it was asked to end
   */
  public Scores run(ImageLoader loader, IntConsumer progress, BooleanSupplier stop)
      throws InterruptedException {
    int images = loader.list().size();
    float[] all = new float[Math.multiplyExact(images, labels)];
    int done = 0;
    try (Batches batches = loader.evaluation(batch)) {
      for (int count = inputs.fill(batches); count > 0; count = inputs.fill(batches)) {
        if (stop.getAsBoolean()) {
          return null;
        }
        tape.run(0, false);
        inputs.prefetch(batches);
        System.arraycopy(logits.tensor().download(), 0, all, done * labels, count * labels);
        done += count;
        progress.accept(done);
      }
    }
    boolean labelled = loader.list().labels() == labels;
    return new Scores(all, labelled ? loader.list().labelValues() : null, labels);
  }

  @Override
  public void close() {
    inputs.close();
  }
}
