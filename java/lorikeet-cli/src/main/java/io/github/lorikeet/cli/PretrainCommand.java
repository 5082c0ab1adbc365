// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.cli.output.OutputFile;
import io.github.lorikeet.cli.output.OutputLock;
import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.MaskedAutoencoder;
import io.github.lorikeet.vision.model.MaskedAutoencoder.Decoder;
import io.github.lorikeet.vision.model.VitConfig;
import io.github.lorikeet.vision.train.EpochResult;
import io.github.lorikeet.vision.train.PretrainOptions;
import io.github.lorikeet.vision.train.Pretrainer;
import io.github.lorikeet.vision.train.TrainListener;
import io.github.lorikeet.vision.weights.Checkpoint;
import io.github.lorikeet.vision.weights.Provenance;
import io.github.lorikeet.vision.weights.SafetensorsWriter;
import io.github.lorikeet.vision.weights.StateFile;
import io.github.lorikeet.vision.weights.WeightsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lorikeet pretrain}. */
@Command(
    name = "pretrain",
    description =
        "Make a start of your own: a masked autoencoder trained on images without labels.",
    footer = {
      "",
      "Writes the encoder as safetensors, for train --weights, and a line an epoch beside it"
          + " (.jsonl).",
      "Labels in the lists are not looked at. Several lists are joined.",
      "Ctrl-C ends with the encoder as it is; --resume goes on later, from the state beside it"
          + " (.state).",
      "A file that is there already is replaced with --overwrite only.",
      "",
      "Examples:",
      "  lorikeet pretrain --list train_list.txt --list val_list.txt --out start.safetensors \\",
      "      --width 192 --depth 6 --image-size 128 --epochs 500 --batch 64 --lr 1.5e-3 --warmup 50"
    })
final class PretrainCommand implements Callable<Integer> {
  /** Under this name a finished file tells which run made it. */
  private static final String RUN = "lorikeet.pretrain";

  @Mixin private DeviceOptions where;

  @Option(
      names = "--list",
      paramLabel = "FILE",
      required = true,
      description = "Images; may be given again.")
  private List<Path> lists;

  @Option(
      names = "--images",
      paramLabel = "DIR",
      description = "Folder that the lists' paths are relative to; each list's own by default.")
  private Path images;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      required = true,
      description = "safetensors file to write.")
  private Path out;

  @Option(names = "--half", description = "Write 16-bit floats: half the size.")
  private boolean half;

  @Option(
      names = "--recipe",
      paramLabel = "NAME",
      defaultValue = "cxr-mae",
      description = "Whose mean and deviation: mrm or cxr-mae. Default: ${DEFAULT-VALUE}.")
  private String recipe;

  @Option(
      names = "--image-size",
      paramLabel = "N",
      defaultValue = "128",
      description = "Pixels a side. Default: ${DEFAULT-VALUE}.")
  private int imageSize;

  @Option(
      names = "--patch",
      paramLabel = "N",
      defaultValue = "16",
      description = "Pixels a side of a patch. Default: ${DEFAULT-VALUE}.")
  private int patch;

  @Option(
      names = "--width",
      paramLabel = "N",
      defaultValue = "192",
      description = "Features a token, a multiple of 64. Default: ${DEFAULT-VALUE}.")
  private int width;

  @Option(
      names = "--depth",
      paramLabel = "N",
      defaultValue = "6",
      description = "Blocks. Default: ${DEFAULT-VALUE}.")
  private int depth;

  @Option(
      names = "--decoder-width",
      paramLabel = "N",
      defaultValue = "128",
      description = "Decoder's features a token. Default: ${DEFAULT-VALUE}.")
  private int decoderWidth;

  @Option(
      names = "--decoder-depth",
      paramLabel = "N",
      defaultValue = "2",
      description = "Decoder's blocks. Default: ${DEFAULT-VALUE}.")
  private int decoderDepth;

  @Option(
      names = "--decoder-heads",
      paramLabel = "N",
      defaultValue = "4",
      description = "Decoder's attention heads. Default: ${DEFAULT-VALUE}.")
  private int decoderHeads;

  @Option(
      names = "--mask",
      paramLabel = "X",
      defaultValue = "0.75",
      description = "Share of the patches masked. Default: ${DEFAULT-VALUE}.")
  private double mask;

  @Option(
      names = "--lr",
      paramLabel = "X",
      defaultValue = "1.5e-3",
      description = "Learning rate after the warm-up. Default: ${DEFAULT-VALUE}.")
  private double learningRate;

  @Option(
      names = "--epochs",
      paramLabel = "N",
      defaultValue = "500",
      description = "Passes over the images. Default: ${DEFAULT-VALUE}.")
  private int epochs;

  @Option(
      names = "--warmup",
      paramLabel = "N",
      description = "Epochs of linear warm-up. Default: a tenth of the epochs.")
  private Double warmup;

  @Option(
      names = "--batch",
      paramLabel = "N",
      defaultValue = "64",
      description = "Images a step. Default: ${DEFAULT-VALUE}.")
  private int batch;

  @Option(
      names = "--weight-decay",
      paramLabel = "X",
      defaultValue = "0.05",
      description = "Of matrices. Default: ${DEFAULT-VALUE}.")
  private double weightDecay;

  @Option(
      names = "--crop-scale",
      paramLabel = "X",
      defaultValue = "0.3",
      description =
          "Least share of an image's area that a random crop keeps. Default: ${DEFAULT-VALUE}.")
  private double cropScale;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description =
          "Of every random choice: the same seed gives the same bits. Default: ${DEFAULT-VALUE}.")
  private long seed;

  @Option(
      names = "--resume",
      description =
          "Go on with the run that was interrupted, to the same bits as without the interruption;"
              + " starts it where there is none, does nothing where it is finished.")
  private boolean resume;

  @Option(
      names = "--overwrite",
      description =
          "Start anew: replace the file that is in --out, and delete the state of a run that was"
              + " interrupted.")
  private boolean overwrite;

  @Override
  public Integer call() throws InterruptedException {
    if (resume && overwrite) {
      throw new IllegalArgumentException(
          "--overwrite: deletes what --resume would go on with; pass one of them");
    }
    if (width % 64 != 0 || width < 64) {
      throw new IllegalArgumentException("--width " + width + ": expected a multiple of 64");
    }
    VitConfig config =
        new VitConfig(imageSize, patch, 3, width, depth, width / 64, 4 * width, true);
    PretrainOptions options =
        new PretrainOptions(
            learningRate,
            warmup == null ? epochs / 10.0 : warmup,
            epochs,
            batch,
            weightDecay,
            mask,
            new Decoder(decoderWidth, decoderDepth, decoderHeads),
            Augment.sgd(imageSize).withScale(cropScale, 1),
            seed,
            where.dtype());
    Preprocess preprocess = Preprocess.named(recipe, imageSize);
    Path log = beside(".jsonl");
    Path state = beside(".state");
    for (Path file : List.of(out, log, state)) {
      OutputFile.check(file, lists);
    }
    ImageList all =
        ImageList.joinUnlabelled(
            lists.stream().map(list -> ImageList.read(list, images, -1)).toList());
    for (Path file : List.of(out, log, state)) {
      OutputFile.check(file, all.paths());
    }
    if (!resume && !overwrite) {
      checkNothingIsThere(state);
    }
    if (batch > all.size()) {
      throw new IllegalArgumentException(
          "--batch " + batch + ": the lists have only " + all.size() + " images");
    }
    try (OutputLock _ = OutputLock.ofFile(out)) {
      return pretrain(config, options, all, preprocess, state, logTo(log));
    }
  }

  private int pretrain(
      VitConfig config,
      PretrainOptions options,
      ImageList all,
      Preprocess preprocess,
      Path state,
      TrainListener log)
      throws InterruptedException {
    MaskedAutoencoder model =
        new MaskedAutoencoder(config, options.decoder(), new Initializer(seed));
    try (Interrupt interrupt = new Interrupt();
        Progress progress = Progress.onStderr();
        Device device = where.open();
        Pretrainer pretrainer = new Pretrainer(device, model, options).keepState(state);
        ImageLoader loader =
            new ImageLoader(all, preprocess, where.loaderThreads(), Integer.MAX_VALUE)) {
      if (!resume) {
        StateFile.delete(state);
      } else if (Files.exists(out) && !StateFile.exists(state)) {
        checkFinished(run(pretrainer, loader));
        progress.say(out + ": finished before; --overwrite instead of --resume makes it anew");
        return 0;
      }
      long peakBytes = pretrainer.plan().peakBytes();
      progress.say(pretrainer.plan().toString().stripTrailing());
      progress.begin("pretrain");
      List<EpochResult> results =
          pretrainer.train(
              loader,
              new TrainingProgress(
                  progress, epochs, all.size(), batch, peakBytes, interrupt::requested, log));
      if (results.isEmpty()) {
        progress.say("interrupted before the first epoch ended: " + out + " is not written");
        return 1;
      }
      boolean finished = results.size() == epochs;
      Map<String, String> metadata = new HashMap<>(Map.of(Provenance.RECIPE, recipe));
      if (finished) {
        metadata.put(RUN, run(pretrainer, loader));
      }
      SafetensorsWriter.write(out, weights(model), metadata);
      progress.say(
          out
              + ": "
              + Format.count(model.backbone().stream().mapToLong(Parameter::elements).sum())
              + " weights after "
              + results.size()
              + " epochs, loss "
              + Format.decimals(results.getLast().trainLoss(), 4));
      if (finished) {
        StateFile.delete(state);
      } else {
        progress.say(
            "stopped after epoch "
                + results.size()
                + " of "
                + epochs
                + ": the same command with --resume goes on");
      }
    }
    return 0;
  }

  private String run(Pretrainer pretrainer, ImageLoader images) {
    return pretrainer.identity(images) + ", half=" + half;
  }

  /**
   * @throws IllegalArgumentException if the file that is there is not the end of the run asked for
   */
  private void checkFinished(String run) {
    try (Checkpoint found = Checkpoint.open(out)) {
      if (!run.equals(found.metadata().get(RUN))) {
        throw new IllegalArgumentException(
            out
                + ": was made by other options, from other lists or on another kind of processor,"
                + " or not to its end: choose another file, or pass --overwrite instead of --resume"
                + " to make it anew");
      }
    }
  }

  /**
   * @throws IllegalArgumentException if there is what a run would be sorry to lose: the state that
   *     an interrupted one can go on from, a finished one's weights, any other file
   */
  private void checkNothingIsThere(Path state) {
    if (StateFile.exists(state)) {
      throw new IllegalArgumentException(
          state + ": of an interrupted run: --resume goes on with it, --overwrite deletes it");
    }
    if (Files.exists(out)) {
      throw new IllegalArgumentException(
          out
              + (isFinished()
                  ? ": holds the weights of a finished run"
                  : ": is there already, and not of a finished run")
              + ": choose another file, or pass --overwrite to replace it");
    }
  }

  private boolean isFinished() {
    try (Checkpoint found = Checkpoint.open(out)) {
      return found.metadata().containsKey(RUN);
    } catch (WeightsException e) {
      return false;
    }
  }

  private Path beside(String suffix) {
    return out.resolveSibling(out.getFileName() + suffix);
  }

  /** A line an epoch. What an earlier run wrote goes when this one has something to say. */
  private static TrainListener logTo(Path log) {
    return new TrainListener() {
      @Override
      public void onStart(List<EpochResult> done, List<String> warnings) {
        if (!done.isEmpty()) {
          write(done);
        }
      }

      @Override
      public void onEpoch(EpochResult epoch) {
        if (epoch.epoch() == 1) {
          write(List.of(epoch));
        } else {
          OutputFile.append(log, line(epoch));
        }
      }

      private void write(List<EpochResult> epochs) {
        OutputFile.write(
            log, epochs.stream().map(epoch -> line(epoch) + "\n").collect(Collectors.joining()));
      }

      private String line(EpochResult epoch) {
        return Json.line(RunFiles.epoch(epoch, List.of()));
      }
    };
  }

  private Map<String, HostTensor> weights(MaskedAutoencoder model) {
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    for (Parameter parameter : model.backbone()) {
      HostTensor value = HostTensor.of(parameter.download(), parameter.sizes());
      weights.put(parameter.name(), half ? value.f16() : value);
    }
    return weights;
  }
}
