// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.weights.Checkpoint;
import io.github.lorikeet.vision.weights.LoraWeights;
import io.github.lorikeet.vision.weights.PeftAdapter;
import io.github.lorikeet.vision.weights.Provenance;
import io.github.lorikeet.vision.weights.WeightsException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;
import java.util.zip.CheckedInputStream;

/**
 * A vision transformer's weights on disk, with an adapter's or without, and the models made from
 * them. Models read the file as long as they live: close it after them.
 */
public final class ModelFile implements AutoCloseable {
  /** The study's alpha, for its checkpoints do not say it. */
  static final float STUDY_ALPHA = 32;

  /** What weights are expected to be. */
  static final String FLOATING_POINT =
      "floating-point numbers: quantised weights are not supported";

  /** Names that this class reads, perhaps of a model saved inside DataParallel. */
  private static final Pattern MODEL_TENSOR =
      Pattern.compile(
          "(module\\.)?(cls_token|pos_embed|(patch_embed|blocks|fc_norm|head)\\..*)",
          Pattern.DOTALL);

  private final Checkpoint checkpoint;
  private final Path adapterFolder;
  private final Map<String, LoraWeights> adapters;
  private final int adaptedImageSize;
  private final Provenance provenance;
  private final Map<String, HostTensor> tensors;
  private final List<String> notes;
  private String checksum;

  private ModelFile(
      Checkpoint checkpoint,
      Path adapterFolder,
      Map<String, LoraWeights> adapters,
      int adaptedImageSize,
      Provenance provenance,
      Map<String, HostTensor> tensors,
      List<String> notes) {
    this.checkpoint = checkpoint;
    this.adapterFolder = adapterFolder;
    this.adapters = adapters;
    this.adaptedImageSize = adaptedImageSize;
    this.provenance = provenance;
    this.tensors = tensors;
    this.notes = notes;
  }

  /**
   * @param weights safetensors or PyTorch checkpoint
   * @param adapter PEFT adapter folder, null for none; its saved modules replace the weights'
   * @throws WeightsException if a file cannot be read as such
   */
  public static ModelFile open(Path weights, Path adapter) {
    Checkpoint checkpoint = Checkpoint.open(weights);
    try {
      checkLeftOut(checkpoint);
      Map<String, HostTensor> tensors = new LinkedHashMap<>(checkpoint.tensors());
      List<String> notes = new ArrayList<>(checkpoint.notes());
      if (adapter != null) {
        PeftAdapter peft = PeftAdapter.read(adapter);
        tensors.putAll(peft.saved());
        notes.addAll(peft.notes());
        return new ModelFile(
            checkpoint,
            adapter,
            peft.modules(),
            peft.imageSize(),
            provenance(checkpoint, adapter, peft),
            tensors,
            notes);
      }
      Map<String, LoraWeights> unmerged = LoraWeights.find(checkpoint, STUDY_ALPHA, 0);
      for (String module : unmerged.keySet()) {
        tensors.remove(module + ".lora_A");
        tensors.remove(module + ".lora_B");
      }
      Provenance provenance = provenance(checkpoint);
      return new ModelFile(checkpoint, null, unmerged, 0, provenance, tensors, notes);
    } catch (Throwable e) {
      checkpoint.close();
      throw e;
    }
  }

  private static Provenance provenance(Checkpoint checkpoint) {
    Provenance provenance = Provenance.of(checkpoint);
    checkRecipe(checkpoint.path(), provenance.recipe());
    return provenance;
  }

  /** The adapter's where it says anything; labels are those of the file that has the head. */
  private static Provenance provenance(Checkpoint checkpoint, Path adapter, PeftAdapter peft) {
    Provenance own = peft.provenance();
    checkRecipe(adapter, own.recipe());
    Provenance base = provenance(checkpoint);
    return new Provenance(
        own.recipe() == null ? base.recipe() : own.recipe(),
        peft.saved().containsKey("head.weight") ? own.labels() : base.labels(),
        own.baseChecksum());
  }

  private static void checkRecipe(Path file, String recipe) {
    if (recipe != null && !Preprocess.RECIPES.contains(recipe)) {
      throw new WeightsException(
          "%s: %s is '%s', expected one of %s"
              .formatted(file, Provenance.RECIPE, recipe, Preprocess.RECIPES));
    }
  }

  /** A model's tensor of a type that is not read would otherwise look missing, or like a gap. */
  private static void checkLeftOut(Checkpoint checkpoint) {
    checkpoint
        .leftOut()
        .forEach(
            (name, why) -> {
              if (MODEL_TENSOR.matcher(name).matches()) {
                throw new WeightsException(
                    checkpoint.path()
                        + ": "
                        + name
                        + " is "
                        + why
                        + ", expected "
                        + FLOATING_POINT);
              }
            });
  }

  /**
   * The model as the files have it, head and adapters included, to be evaluated; for images of the
   * size that the adapter was trained on, where it says so.
   *
   * @param heads attention heads, 0 for width / 64
   * @throws WeightsException if the files hold no whole classifier
   */
  public VisionTransformer classifier(int heads) {
    WeightSource source = source();
    if (!source.has("head.weight") || !source.has("fc_norm.weight")) {
      throw new WeightsException(
          source.origin()
              + ": no "
              + (source.has("head.weight") ? "fc_norm" : "head")
              + ", so it predicts nothing yet: train it first, or pass the adapter that was"
              + " trained");
    }
    HostTensor head = source.find("head.weight");
    if (head.rank() != 2 || head.size(0) < 1) {
      throw new WeightsException(
          source.origin() + ": head.weight is " + head.shape() + ", expected [labels, width]");
    }
    VisionTransformer model =
        new VisionTransformer(
            adaptedConfig(source, heads),
            Math.toIntExact(head.size(0)),
            source,
            new Initializer(0),
            name -> false);
    Adapters.attach(
        model, adapters, (adapterFolder == null ? checkpoint.path() : adapterFolder).toString());
    noteUnmerged(", taken with alpha " + (int) STUDY_ALPHA);
    noteOtherBase();
    notes.addAll(source.notes());
    return model;
  }

  /**
   * A model to be trained: its head starts anew, as the study's does, whether or not the file has
   * one of as many labels. Adapters in the files are not attached.
   *
   * @param heads attention heads, 0 for width / 64
   * @param labels logits an image
   * @param imageSize pixels a side, 0 for the weights' own
   * @param initializer of what the weights lack
   * @param trainable whether training changes the parameter of a name
   */
  public VisionTransformer backbone(
      int heads, int labels, int imageSize, Initializer initializer, Predicate<String> trainable) {
    WeightSource source = source();
    source.drop("head", "a head to be trained starts anew");
    VisionTransformer model =
        new VisionTransformer(
            config(source, heads, imageSize), labels, source, initializer, trainable);
    noteUnmerged(", left out: to start from them too, train on what lorikeet merge makes of it");
    notes.addAll(source.notes());
    return model;
  }

  /**
   * A model of the weights' shape that starts from nothing: what pretraining is compared with.
   * Parameters are {@link #backbone}'s.
   */
  public VisionTransformer randomStart(
      int heads, int labels, int imageSize, Initializer initializer, Predicate<String> trainable) {
    return new VisionTransformer(
        config(source(), heads, imageSize), labels, WeightSource.none(), initializer, trainable);
  }

  /**
   * By which the images that the model learnt from were prepared; null where the files do not say.
   */
  public String recipe() {
    return provenance.recipe();
  }

  /**
   * What the labels of a classifier's head are called; null where the files do not say.
   *
   * @param count of the head's labels
   * @throws WeightsException if the files name another number of labels
   */
  public List<String> labels(int count) {
    List<String> labels = provenance.labels();
    if (labels != null && labels.size() != count) {
      throw new WeightsException(
          "%s: %s has %d names, expected %d, one a label of the head; evaluate and predict take"
                  .formatted(source().origin(), Provenance.LABELS, labels.size(), count)
              + " --label-names instead");
    }
    return labels;
  }

  /** Whether the files hold adapters of any layers. */
  public boolean isAdapted() {
    return !adapters.isEmpty();
  }

  /** Pixels a side of the images the weights were made for. */
  public int imageSize() {
    return VitReader.imageSize(source());
  }

  /** Of the image size that the adapter was made for. */
  private VitConfig adaptedConfig(WeightSource source, int heads) {
    VitConfig own = config(source, heads, 0);
    try {
      return adaptedImageSize > 0 ? own.withImageSize(adaptedImageSize) : own;
    } catch (IllegalArgumentException e) {
      throw new WeightsException(adapterFolder + ": " + e.getMessage(), e);
    }
  }

  private static VitConfig config(WeightSource source, int heads, int imageSize) {
    if (heads < 0 || imageSize < 0) {
      throw new IllegalArgumentException(
          (heads < 0 ? "heads " + heads : "image size " + imageSize) + ": expected 0 or more");
    }
    VitConfig config = VitReader.config(source, heads);
    return imageSize > 0 ? config.withImageSize(imageSize) : config;
  }

  /** Says what became of adapters that lie among the weights. */
  private void noteUnmerged(String what) {
    if (adapterFolder == null && !adapters.isEmpty()) {
      notes.add(adapters.size() + " LoRA layers found in " + checkpoint.path() + what);
    }
  }

  /** An adapter's change of other weights of the same shape looks like an answer, and is none. */
  private void noteOtherBase() {
    String expected = provenance.baseChecksum();
    if (adapterFolder != null && expected != null && !expected.equals(checksum())) {
      notes.add(
          "%s was trained on weights of CRC-32C %s, but %s has %s: answers are wrong unless both"
                  .formatted(adapterFolder, expected, checkpoint.path(), checksum())
              + " files hold the same numbers; pass the weights that it was trained on");
    }
  }

  private WeightSource source() {
    String adapted = adapterFolder == null ? "" : " with " + adapterFolder;
    return new WeightSource(checkpoint.path() + adapted, tensors);
  }

  /**
   * CRC-32C of the weights' file, which tells it apart from others of its name and size: trainings
   * of one model all have one size. Reads the whole file, the first time.
   *
   * @throws WeightsException if it cannot be read
   */
  public String checksum() {
    if (checksum == null) {
      CRC32C sum = new CRC32C();
      // Not from the mapping: its pages would stay in memory, though training needs few of them.
      try (InputStream file =
          new CheckedInputStream(Files.newInputStream(checkpoint.path()), sum)) {
        file.transferTo(OutputStream.nullOutputStream());
      } catch (IOException e) {
        throw new WeightsException(checkpoint.path() + ": cannot be read: " + e.getMessage(), e);
      }
      checksum = "%08x".formatted(sum.getValue());
    }
    return checksum;
  }

  /** What a person should know of how the files were read, once for all models made of them. */
  public List<String> notes() {
    return notes.stream().distinct().toList();
  }

  @Override
  public void close() {
    checkpoint.close();
  }
}
