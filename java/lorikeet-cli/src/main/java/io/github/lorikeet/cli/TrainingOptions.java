// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.image.RandAugment;
import io.github.lorikeet.vision.model.LoraTargets;
import io.github.lorikeet.vision.train.TrainMode;
import io.github.lorikeet.vision.train.TrainOptions;
import io.github.lorikeet.vision.train.TrainOptions.OptimizerKind;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine.Option;

/** How to train. */
final class TrainingOptions {
  private static final double DEFAULT_LEARNING_RATE = 0.02;
  private static final double MINIMUM_LEARNING_RATE = 1e-6;

  /** Images an update that a base learning rate is for. */
  private static final double BASE_IMAGES = 256;

  @Option(
      names = "--mode",
      paramLabel = "MODE",
      defaultValue = "lora",
      description = "What to train: lora (default), linear-probe or full.")
  private String mode;

  @Option(
      names = "--rank",
      paramLabel = "N",
      defaultValue = "4",
      description =
          "LoRA: rank of each update. Default: ${DEFAULT-VALUE}. PEFT, for which adapters are"
              + " written, has no column groups: there, rank and alpha of qkv are multiplied by the"
              + " number of q, k and v adapted.")
  private int rank;

  @Option(
      names = "--alpha",
      paramLabel = "X",
      defaultValue = "32",
      description = "LoRA: updates are scaled by alpha / rank. Default: ${DEFAULT-VALUE}.")
  private float alpha;

  @Option(
      names = "--dropout",
      paramLabel = "P",
      defaultValue = "0.1",
      description = "LoRA: dropout of the update's input. Default: ${DEFAULT-VALUE}.")
  private float dropout;

  @Option(
      names = "--targets",
      paramLabel = "NAME",
      split = ",",
      defaultValue = "q,v",
      description =
          "LoRA: layers of every block: q, k, v, qkv (short for q,k,v), proj, fc1, fc2. Default:"
              + " ${DEFAULT-VALUE}.")
  private List<String> targets;

  @Option(
      names = "--optimizer",
      paramLabel = "NAME",
      defaultValue = "sgd",
      description = "sgd (default) or adamw.")
  private String optimizer;

  @Option(
      names = "--lr",
      paramLabel = "X",
      description = "Learning rate after the warm-up. Default: 0.02.")
  private Double learningRate;

  @Option(
      names = "--base-lr",
      paramLabel = "X",
      description =
          "Instead of --lr, the learning rate for 256 images an update: times batch x accumulate"
              + " / 256.")
  private Double baseLearningRate;

  @Option(
      names = "--epochs",
      paramLabel = "N",
      defaultValue = "50",
      description = "Passes over the training list. Default: ${DEFAULT-VALUE}.")
  private int epochs;

  @Option(
      names = "--warmup",
      paramLabel = "N",
      description = "Epochs of linear warm-up. Default: a tenth of the epochs.")
  private Double warmup;

  @Option(
      names = "--batch",
      paramLabel = "N",
      defaultValue = "32",
      description = "Images a step. Default: ${DEFAULT-VALUE}.")
  private int batch;

  @Option(
      names = "--accumulate",
      paramLabel = "N",
      defaultValue = "1",
      description = "Steps whose gradients make one update. Default: ${DEFAULT-VALUE}.")
  private int accumulate;

  @Option(
      names = "--drop-path",
      paramLabel = "P",
      defaultValue = "0",
      description = "Stochastic depth of the last block. Default: ${DEFAULT-VALUE}.")
  private double dropPath;

  @Option(
      names = "--weight-decay",
      paramLabel = "X",
      defaultValue = "0",
      description = "Of matrices. Default: ${DEFAULT-VALUE}.")
  private double weightDecay;

  @Option(
      names = "--layer-decay",
      paramLabel = "X",
      defaultValue = "1",
      description =
          "Learning-rate factor from a layer to the one below. Default: ${DEFAULT-VALUE}.")
  private double layerDecay;

  @Option(
      names = "--clip",
      paramLabel = "X",
      defaultValue = "0",
      description = "Largest gradient norm; 0: no clipping (default).")
  private double clip;

  @Option(
      names = "--crop-scale",
      paramLabel = "X",
      defaultValue = "0.08",
      description =
          "Least share of an image's area that a random crop keeps. Default: ${DEFAULT-VALUE}.")
  private double cropScale;

  @Option(
      names = "--rand-augment",
      description =
          "Change light and shape at random: 2 of 15 operations, each with probability 1/2, of"
              + " magnitude 9 with deviation .5.")
  private boolean randAugment;

  @Option(
      names = "--erase",
      paramLabel = "P",
      defaultValue = "0",
      description = "Share of images with a part erased. Default: ${DEFAULT-VALUE}.")
  private double erase;

  @Option(
      names = "--evaluate-every",
      paramLabel = "N",
      defaultValue = "1",
      description = "Epochs between looks at the validation list. Default: ${DEFAULT-VALUE}.")
  private int evaluateEvery;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description =
          "Of every random choice: the same seed gives the same bits. Default: ${DEFAULT-VALUE}.")
  private long seed;

  @Option(
      names = "--cache-mb",
      paramLabel = "N",
      defaultValue = "256",
      description = "Decoded images kept for the next epoch, MB a list. Default: ${DEFAULT-VALUE}.")
  private int cacheMegabytes;

  TrainMode mode() {
    return Arrays.stream(TrainMode.values())
        .filter(known -> known.toString().equals(mode))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "--mode "
                        + mode
                        + ": expected "
                        + Arrays.stream(TrainMode.values())
                            .map(String::valueOf)
                            .collect(Collectors.joining(", "))));
  }

  LoraTargets targets() {
    return LoraTargets.parse(targets);
  }

  int rank() {
    return rank;
  }

  float alpha() {
    return alpha;
  }

  float dropout() {
    return dropout;
  }

  long seed() {
    return seed;
  }

  long cacheBytes() {
    if (cacheMegabytes < 0) {
      throw new IllegalArgumentException("--cache-mb " + cacheMegabytes + ": expected 0 or more");
    }
    return cacheMegabytes * 1_000_000L;
  }

  /** Says early that training would have no whole batch. */
  void checkBatch(int images) {
    long needed = (long) batch * accumulate;
    if (batch > 0 && accumulate > 0 && needed > images) {
      throw new IllegalArgumentException(
          "--batch "
              + batch
              + (accumulate > 1 ? " --accumulate " + accumulate : "")
              + ": an update needs "
              + needed
              + " images, the training list has "
              + images);
    }
  }

  TrainOptions options(int imageSize) {
    return new TrainOptions(
        optimizerKind(),
        learningRate(),
        Math.min(MINIMUM_LEARNING_RATE, learningRate()),
        warmup == null ? epochs / 10.0 : warmup,
        epochs,
        batch,
        accumulate,
        dropPath,
        weightDecay,
        layerDecay,
        clip,
        Augment.sgd(imageSize)
            .withScale(cropScale, 1)
            .with(randAugment ? RandAugment.STANDARD : null)
            .withErase(erase),
        seed,
        evaluateEvery,
        DType.F32);
  }

  private double learningRate() {
    if (baseLearningRate == null) {
      return learningRate == null ? DEFAULT_LEARNING_RATE : learningRate;
    }
    if (learningRate != null) {
      throw new IllegalArgumentException("--lr and --base-lr: expected one of them");
    }
    return baseLearningRate * batch * accumulate / BASE_IMAGES;
  }

  private OptimizerKind optimizerKind() {
    return switch (optimizer) {
      case "sgd" -> OptimizerKind.SGD;
      case "adamw" -> OptimizerKind.ADAMW;
      default ->
          throw new IllegalArgumentException(
              "--optimizer " + optimizer + ": expected sgd or adamw");
    };
  }

  /** Such as "LoRA, rank 4". */
  String describe() {
    return Methods.name(mode(), rank);
  }

  /** Adds every option to a run's configuration. */
  void describe(Map<String, Object> config) {
    config.put("mode", mode);
    if (mode() == TrainMode.LORA) {
      config.put("rank", rank);
      config.put("alpha", alpha);
      config.put("dropout", dropout);
      config.put("targets", targets);
    }
    config.put("optimizer", optimizer);
    config.put("lr", learningRate());
    config.put("epochs", epochs);
    config.put("warmup", warmup == null ? epochs / 10.0 : warmup);
    config.put("batch", batch);
    config.put("accumulate", accumulate);
    config.put("drop_path", dropPath);
    config.put("weight_decay", weightDecay);
    config.put("layer_decay", layerDecay);
    config.put("clip", clip);
    config.put("crop_scale", cropScale);
    config.put("rand_augment", randAugment);
    config.put("erase", erase);
    config.put("evaluate_every", evaluateEvery);
    config.put("seed", seed);
  }
}
