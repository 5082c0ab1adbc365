// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.OutputLock;
import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.train.TrainMode;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
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
      "TensorBoard's event file, config.json, and at the end predictions.csv (the test list),",
      "report.html and result.json. Ctrl-C ends with the best so far; --resume goes on later.",
      "",
      "Examples:",
      "  lorikeet train --weights vit.pth --train train_10.txt --val val_list.txt --test"
          + " test_list.txt \\",
      "      --mode lora --rank 4 --lr 0.02 --epochs 50 --warmup 5 --batch 27 --out run",
      "  lorikeet train --weights vit.pth --train train_list.txt --val val_list.txt \\",
      "      --mode full --optimizer adamw --base-lr 5e-4 --layer-decay 0.65 --weight-decay 0.05"
          + " \\",
      "      --rand-augment --erase 0.25 --drop-path 0.1 --recipe cxr-mae --out run"
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
      description =
          "Weights to start from: safetensors or PyTorch .pth. A head among them is left out: it"
              + " starts anew.")
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

  @Option(
      names = "--resume",
      description =
          "Go on with the run that was interrupted in --out, to the same bits as without the"
              + " interruption; starts it where there is none, does nothing where it is finished.")
  private boolean resume;

  @Option(
      names = "--overwrite",
      description = "Delete the run that is in --out, finished or interrupted, and start anew.")
  private boolean overwrite;

  @Override
  public Integer call() throws InterruptedException {
    if (resume && overwrite) {
      throw new IllegalArgumentException(
          "--overwrite: deletes what --resume would go on with; pass one of them");
    }
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
    training.cacheBytes();
    try (ModelFile file = ModelFile.open(weights, null);
        Device device = where.open();
        Interrupt interrupt = new Interrupt();
        Progress progress = Progress.onStderr()) {
      VisionTransformer model = model(file, labels);
      file.notes().forEach(note -> progress.say("note: " + note));
      Preprocess preprocess = lists.preprocess(file, model, progress);
      TrainingFolder folder =
          new TrainingFolder(
              out,
              new TrainingFolder.Task(
                  training.describe() + " on " + trainList.getFileName(),
                  training.mode(),
                  training.describe(),
                  training.options(preprocess.size()).withActivations(where.dtype()),
                  names,
                  lists.recipe(file),
                  config(model, file, trainImages, validationImages, testImages),
                  "the same command with --resume goes on"));
      if (!randomStart) {
        folder.startsFrom(file.checksum());
      }
      if (resume && folder.isFinished()) {
        progress.say("finished before: results in " + out);
        return 0;
      }
      try (OutputLock _ = OutputLock.ofFolder(out);
          ImageLoader trainLoader = loader(trainImages, preprocess);
          ImageLoader validationLoader = loader(validationImages, preprocess);
          ImageLoader testLoader = testImages == null ? null : loader(testImages, preprocess)) {
        folder.check(inputs());
        if (!resume) {
          folder.clear(overwrite);
        }
        TrainingRun.Result result =
            folder.run(
                device,
                model,
                new TrainingFolder.Images(trainLoader, validationLoader, testLoader),
                progress,
                interrupt::requested);
        return result.bestEpoch() == 0 ? 1 : 0;
      }
    }
  }

  private List<Path> inputs() {
    return Stream.of(weights, trainList, validationList, testList)
        .filter(Objects::nonNull)
        .toList();
  }

  private VisionTransformer model(ModelFile file, int labels) {
    Initializer initializer = new Initializer(training.seed());
    TrainMode mode = training.mode();
    VisionTransformer model =
        randomStart
            ? file.randomStart(heads, labels, imageSize, initializer, mode::trains)
            : file.backbone(heads, labels, imageSize, initializer, mode::trains);
    if (mode == TrainMode.LORA) {
      model.attachLora(training.targets(), training.rank(), training.alpha(), training.dropout());
    }
    return model;
  }

  private ImageLoader loader(ImageList images, Preprocess preprocess) {
    return new ImageLoader(images, preprocess, where.loaderThreads(), training.cacheBytes());
  }

  private Map<String, Object> config(
      VisionTransformer model,
      ModelFile file,
      ImageList trainImages,
      ImageList validationImages,
      ImageList testImages) {
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("version", Version.number());
    config.put("weights", weights.toString());
    config.put("weights_crc32c", file.checksum());
    config.put("random_start", randomStart);
    config.put("train", trainList.toString());
    config.put("train_list", trainImages.checksum());
    config.put("val", validationList.toString());
    config.put("val_list", validationImages.checksum());
    config.put("test", testList == null ? null : testList.toString());
    config.put("test_list", testImages == null ? null : testImages.checksum());
    config.put("images", lists.images() == null ? null : lists.images().toString());
    config.put("labels", lists.names(model.labels()));
    config.put("recipe", lists.recipe(file));
    config.put("image_size", model.config().imageSize());
    config.put("heads", model.config().heads());
    where.describe(config);
    training.describe(config);
    return config;
  }
}
