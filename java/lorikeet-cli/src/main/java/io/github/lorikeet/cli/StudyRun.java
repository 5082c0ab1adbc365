// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.StudyRecipes.Recipe;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Precision;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.image.RandAugment;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.LoraTargets;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.train.TrainMode;
import io.github.lorikeet.vision.train.TrainOptions;
import io.github.lorikeet.vision.train.TrainOptions.OptimizerKind;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** One training of the study: a task, by a method, from a seed. */
record StudyRun(StudyTask task, TrainMode mode, int seed) {

  /**
   * What of the study's settings is changed, to try it on less.
   *
   * @param epochs of every run, the warm-up shortened alike; 0 for the study's
   * @param batch images an update
   * @param imageSize pixels a side; 0 for the weights' own
   * @param cropScale least share of an image that a crop keeps
   * @param rateFactor of learning rates
   * @param evaluateEvery epochs between looks at the validation list
   * @param activations what layers work on
   */
  record Scale(
      int epochs,
      int batch,
      int imageSize,
      double cropScale,
      double rateFactor,
      int evaluateEvery,
      DType activations) {

    /** The study's own settings. */
    static final Scale NONE = new Scale(0, StudyRecipes.BATCH, 0, 0.08, 1, 1, DType.F32);
  }

  /** Its folder within the study's. */
  Path folder(Path out) {
    return out.resolve(task.id()).resolve(mode.toString()).resolve("seed-" + seed);
  }

  String method() {
    return Methods.name(mode, recipe().rank());
  }

  String title() {
    return task.id() + ", " + method() + ", seed " + seed;
  }

  private Recipe recipe() {
    return task.recipe(mode);
  }

  TrainOptions options(int imageSize, Scale scale) {
    Recipe recipe = recipe();
    boolean adamw = recipe.optimizer() == OptimizerKind.ADAMW;
    int epochs = scale.epochs > 0 ? scale.epochs : recipe.epochs();
    double rate = recipe.learningRate(scale.batch) * scale.rateFactor;
    return new TrainOptions(
        recipe.optimizer(),
        rate,
        Math.min(StudyRecipes.MINIMUM_LEARNING_RATE, rate),
        StudyRecipes.WARMUP_EPOCHS * epochs / recipe.epochs(),
        epochs,
        scale.batch,
        1,
        StudyRecipes.DROP_PATH,
        adamw ? StudyRecipes.WEIGHT_DECAY : 0,
        adamw ? StudyRecipes.LAYER_DECAY : 1,
        0,
        augment(adamw, imageSize).withScale(scale.cropScale, 1),
        seed,
        scale.evaluateEvery,
        scale.activations);
  }

  private static Augment augment(boolean adamw, int imageSize) {
    Augment views = Augment.sgd(imageSize);
    return adamw
        ? views.with(RandAugment.STANDARD).withErase(StudyRecipes.ERASE_PROBABILITY)
        : views;
  }

  /**
   * A model at its start.
   *
   * @param imageSize pixels a side; 0 for the weights' own
   */
  VisionTransformer model(ModelFile file, int imageSize) {
    VisionTransformer model =
        file.backbone(
            0, task.data().labels().size(), imageSize, new Initializer(seed), mode::trains);
    if (mode == TrainMode.LORA) {
      model.attachLora(
          LoraTargets.QUERY_VALUE,
          recipe().rank(),
          StudyRecipes.LORA_ALPHA,
          StudyRecipes.LORA_DROPOUT);
    }
    return model;
  }

  /**
   * All that its results depend on but what weights and images hold.
   *
   * @param weights the start's file, described
   */
  Map<String, Object> config(
      TrainOptions options,
      String weights,
      ImageList training,
      ImageList validation,
      ImageList test,
      Device device) {
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("task", task.id());
    config.put("mode", mode.toString());
    config.put("rank", recipe().rank());
    config.put("alpha", StudyRecipes.LORA_ALPHA);
    config.put("dropout", StudyRecipes.LORA_DROPOUT);
    config.put("weights", weights);
    config.put("train_list", training.checksum());
    config.put("val_list", validation.checksum());
    config.put("test_list", test.checksum());
    config.put("labels", task.data().labels());
    config.put("recipe", task.start().id());
    config.put("device", device.info().name());
    config.putAll(settings(options));
    if (device.precision() == Precision.TF32) {
      config.put("dtype", "tf32");
    }
    config.put("seed", seed);
    return config;
  }

  /** What the configuration of a run with these settings has of them. */
  Map<String, Object> settings(int imageSize, Scale scale) {
    return settings(options(imageSize, scale));
  }

  private static Map<String, Object> settings(TrainOptions options) {
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("image_size", options.augment().size());
    config.put("dtype", options.activations().toString());
    config.put("optimizer", options.optimizer() == OptimizerKind.SGD ? "sgd" : "adamw");
    config.put("lr", options.learningRate());
    config.put("epochs", options.epochs());
    config.put("warmup", options.warmupEpochs());
    config.put("batch", options.batch());
    config.put("drop_path", options.dropPath());
    config.put("weight_decay", options.weightDecay());
    config.put("layer_decay", options.layerDecay());
    config.put("augment", options.augment().toString());
    config.put("evaluate_every", options.evaluateEvery());
    return config;
  }
}
