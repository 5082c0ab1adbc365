// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.autograd.AdamW;
import io.github.lorikeet.core.autograd.Optimizer;
import io.github.lorikeet.core.autograd.Sgd;
import io.github.lorikeet.vision.image.Augment;

/**
 * How a classifier is trained.
 *
 * @param optimizer which update rule
 * @param learningRate at the end of the warm-up
 * @param minimumLearningRate at the end of training
 * @param warmupEpochs epochs of linear warm-up, may be fractional
 * @param epochs passes over the training list
 * @param batch images a forward and backward pass
 * @param accumulate passes whose gradients are averaged before each update
 * @param dropPath stochastic depth of the last block
 * @param weightDecay of matrices
 * @param layerDecay learning-rate factor from one layer to the one below, 1 for none
 * @param clip largest gradient norm, 0 for no clipping
 * @param augment random views of the training images
 * @param seed of every random choice
 * @param evaluateEvery epochs between looks at the validation list; the last epoch is always looked
 *     at
 * @param activations numbers that layers work on: f32, bf16 or f16; what is trained stays f32
 */
public record TrainOptions(
    OptimizerKind optimizer,
    double learningRate,
    double minimumLearningRate,
    double warmupEpochs,
    int epochs,
    int batch,
    int accumulate,
    double dropPath,
    double weightDecay,
    double layerDecay,
    double clip,
    Augment augment,
    long seed,
    int evaluateEvery,
    DType activations) {

  private static final double MINIMUM_LEARNING_RATE = 1e-6;

  /** The update rules of the two recipes. */
  public enum OptimizerKind {
    SGD,
    ADAMW
  }

  public TrainOptions {
    check(learningRate > 0 && Double.isFinite(learningRate), "lr", learningRate, "more than 0");
    check(epochs >= 1, "epochs", epochs, "1 or more");
    check(
        warmupEpochs >= 0 && warmupEpochs < epochs,
        "warmup",
        warmupEpochs,
        "0 to less than the epochs");
    check(batch >= 1, "batch", batch, "1 or more");
    check(accumulate >= 1, "accumulate", accumulate, "1 or more");
    check(dropPath >= 0 && dropPath < 1, "drop-path", dropPath, "0 to less than 1");
    check(
        weightDecay >= 0 && Double.isFinite(weightDecay), "weight-decay", weightDecay, "0 or more");
    check(layerDecay > 0 && layerDecay <= 1, "layer-decay", layerDecay, "more than 0, at most 1");
    check(clip >= 0 && Double.isFinite(clip), "clip", clip, "0 or more");
    check(evaluateEvery >= 1, "evaluate-every", evaluateEvery, "1 or more");
  }

  private static void check(boolean right, String name, double value, String expected) {
    if (!right) {
      throw new IllegalArgumentException(
          name
              + " "
              + (value == Math.rint(value) && Math.abs(value) < 1e9
                  ? String.valueOf((long) value)
                  : String.valueOf(value))
              + ": expected "
              + expected);
    }
  }

  /** Plain SGD with momentum, as the study trains models that start from MRM. */
  public static TrainOptions sgd(
      double learningRate, double warmupEpochs, int epochs, int batch, Augment augment, long seed) {
    return new TrainOptions(
        OptimizerKind.SGD,
        learningRate,
        MINIMUM_LEARNING_RATE,
        warmupEpochs,
        epochs,
        batch,
        1,
        0,
        0,
        1,
        0,
        augment,
        seed,
        1,
        DType.F32);
  }

  public TrainOptions withActivations(DType activations) {
    return with(evaluateEvery, activations);
  }

  public TrainOptions withEvaluateEvery(int epochs) {
    return with(epochs, activations);
  }

  private TrainOptions with(int evaluateEvery, DType activations) {
    return new TrainOptions(
        optimizer,
        learningRate,
        minimumLearningRate,
        warmupEpochs,
        epochs,
        batch,
        accumulate,
        dropPath,
        weightDecay,
        layerDecay,
        clip,
        augment,
        seed,
        evaluateEvery,
        activations);
  }

  public Schedule schedule() {
    return new Schedule(learningRate, minimumLearningRate, warmupEpochs, epochs);
  }

  Optimizer newOptimizer() {
    Optimizer made =
        optimizer == OptimizerKind.SGD ? new Sgd(0.9f) : new AdamW(0.9f, 0.999f, 1e-8f);
    return clip > 0 ? made.clipGradientNorm((float) clip) : made;
  }
}
