// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.cli.output.OutputFolder;
import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.cli.report.HtmlReport;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.model.Adapters;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.train.TrainMode;
import io.github.lorikeet.vision.train.TrainOptions;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code lorikeet train}. */
@Command(
    name = "train",
    description =
        "Fine-tune a vision transformer on labelled images: LoRA, linear probe or everything.",
    footer = {
      "",
      "Lists have an image a line: path, then a 0 or 1 a label. Writes to the folder of --out:",
      "adapter/ (LoRA, in PEFT's layout) or weights.safetensors, log.jsonl (a line an epoch),",
      "TensorBoard's event file, predictions.csv (the test list), report.html, config.json.",
      "Ctrl-C ends with the best so far.",
      "",
      "Examples:",
      "  lorikeet train --weights vit.pth --train train_10.txt --val val_list.txt --test"
          + " test_list.txt \\",
      "      --mode lora --rank 4 --lr 0.02 --epochs 50 --warmup 5 --batch 27 --out run",
      "  lorikeet train --weights vit.pth --train train_list.txt --val val_list.txt \\",
      "      --mode full --optimizer adamw --lr 5e-4 --layer-decay 0.65 --weight-decay 0.05 --out"
          + " run"
    })
final class TrainCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private TrainingOptions training;
  @Mixin private ListOptions lists;
  @Mixin private DeviceOptions where;

  @Option(
      names = "--weights",
      paramLabel = "FILE",
      required = true,
      description = "Weights to start from: safetensors or PyTorch .pth.")
  private Path weights;

  @Option(
      names = "--heads",
      paramLabel = "N",
      defaultValue = "0",
      description = "Attention heads; 0: width / 64 (default).")
  private int heads;

  @Option(
      names = "--image-size",
      paramLabel = "N",
      defaultValue = "0",
      description = "Pixels a side, the position embedding resized; 0: the weights' own (default).")
  private int imageSize;

  @Option(
      names = "--random-start",
      description = "Take the weights' shape only and start from random values, to compare.")
  private boolean randomStart;

  @Option(
      names = "--train",
      paramLabel = "FILE",
      required = true,
      description = "List to train on.")
  private Path trainList;

  @Option(
      names = "--val",
      paramLabel = "FILE",
      required = true,
      description = "List that chooses the best epoch.")
  private Path validationList;

  @Option(names = "--test", paramLabel = "FILE", description = "List to report on.")
  private Path testList;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      required = true,
      description = "Folder for the results.")
  private Path out;

  @Override
  public Integer call() throws InterruptedException {
    ImageList trainImages = ImageList.read(trainList, lists.images(), -1);
    int labels = trainImages.labels();
    if (labels < 1) {
      throw new IllegalArgumentException(
          trainList + ": has no labels, expected a 0 or 1 a label after each path");
    }
    ImageList validationImages = ImageList.read(validationList, lists.images(), labels);
    ImageList testImages =
        testList == null ? null : ImageList.read(testList, lists.images(), labels);
    List<String> names = lists.names(labels);
    training.checkBatch(trainImages.size());
    try (ModelFile file = ModelFile.open(weights, null);
        Device device = where.open();
        Interrupt interrupt = new Interrupt();
        Progress progress = Progress.onStderr()) {
      VisionTransformer model = model(file, labels);
      file.notes().forEach(note -> progress.say("note: " + note));
      Preprocess preprocess = Preprocess.named(lists.recipe(), model.config().imageSize());
      TrainOptions options = training.options(preprocess.size());
      OutputFolder folder = OutputFolder.create(out);
      folder.write("config.json", Json.pretty(config(model, labels)));
      try (ImageLoader trainLoader = loader(trainImages, preprocess);
          ImageLoader validationLoader = loader(validationImages, preprocess);
          ImageLoader testLoader = testImages == null ? null : loader(testImages, preprocess);
          RunLog log =
              new RunLog(folder, names, options, trainImages.size(), () -> save(folder, model))) {
        TrainingRun.Result result =
            new TrainingRun(training.mode().toString(), options, progress, interrupt::requested)
                .onPlan(
                    plan -> {
                      progress.say(plan.toString().stripTrailing());
                      log.start(plan.peakBytes(), List.of());
                    })
                .listener(log)
                .run(device, model, trainLoader, validationLoader, testLoader, () -> {});
        finish(folder, model, result, testImages, names, progress);
        return result.bestEpoch() == 0 ? 1 : 0;
      }
    }
  }

  private VisionTransformer model(ModelFile file, int labels) {
    Initializer initializer = new Initializer(training.seed());
    TrainMode mode = training.mode();
    VisionTransformer model =
        randomStart
            ? file.randomStart(heads, labels, initializer, mode::trains)
            : file.backbone(heads, labels, imageSize, initializer, mode::trains);
    if (mode == TrainMode.LORA) {
      model.attachLora(training.targets(), training.rank(), training.alpha(), training.dropout());
    }
    return model;
  }

  private ImageLoader loader(ImageList images, Preprocess preprocess) {
    return new ImageLoader(images, preprocess, where.loaderThreads(), training.cacheBytes());
  }

  private void save(OutputFolder folder, VisionTransformer model) {
    if (training.mode() == TrainMode.LORA) {
      Adapters.export(model).write(folder.path("adapter"));
    } else {
      SafetensorsWriter.write(folder.path("weights.safetensors"), Adapters.mergedWeights(model));
    }
  }

  private void finish(
      OutputFolder folder,
      VisionTransformer model,
      TrainingRun.Result result,
      ImageList testImages,
      List<String> names,
      Progress progress) {
    if (result.bestEpoch() == 0) {
      progress.say("stopped before the first look at the validation list: nothing to keep");
      return;
    }
    if (result.test() != null) {
      folder.write("predictions.csv", Predictions.csv(testImages, result.test(), names, false));
    }
    String title = training.describe() + " on " + trainList.getFileName();
    folder.write(
        "report.html", HtmlReport.of(RunReport.of(title, training, result, testImages, names)));
    double best = result.epochs().get(result.bestEpoch() - 1).validation().mean();
    progress.say(
        "best epoch "
            + result.bestEpoch()
            + ": validation AUROC "
            + Format.decimals(best, 4)
            + (result.test() == null
                ? ""
                : ", test AUROC " + Format.decimals(result.test().auroc().mean(), 4)));
    progress.say(
        "trained "
            + Format.count(result.trained())
            + " of "
            + Format.count(result.parameters())
            + " parameters ("
            + Format.percent(result.trained(), result.parameters())
            + ") in "
            + Format.seconds(result.seconds())
            + ", device memory "
            + Format.bytes(result.measuredBytes())
            + " (planned "
            + Format.bytes(result.plannedBytes())
            + ")");
    progress.say("results in " + out);
  }

  private Map<String, Object> config(VisionTransformer model, int labels) {
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("version", Version.number());
    config.put("weights", weights.toString());
    config.put("random_start", randomStart);
    config.put("train", trainList.toString());
    config.put("val", validationList.toString());
    config.put("test", testList == null ? null : testList.toString());
    config.put("labels", lists.names(labels));
    config.put("recipe", lists.recipe());
    config.put("image_size", model.config().imageSize());
    config.put("heads", model.config().heads());
    where.describe(config);
    training.describe(config);
    return config;
  }
}
