// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.weights.Checkpoint;
import io.github.lorikeet.vision.weights.LoraWeights;
import io.github.lorikeet.vision.weights.PeftAdapter;
import io.github.lorikeet.vision.weights.WeightsException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * A vision transformer's weights on disk, with an adapter's or without, and the models made from
 * them. Models read the file as long as they live: close it after them.
 */
public final class ModelFile implements AutoCloseable {
  /** The study's alpha, for its checkpoints do not say it. */
  static final float STUDY_ALPHA = 32;

  private final Checkpoint checkpoint;
  private final String adapterOrigin;
  private final Map<String, LoraWeights> adapters;
  private final Map<String, HostTensor> tensors;
  private final List<String> notes;

  private ModelFile(
      Checkpoint checkpoint,
      String adapterOrigin,
      Map<String, LoraWeights> adapters,
      Map<String, HostTensor> tensors,
      List<String> notes) {
    this.checkpoint = checkpoint;
    this.adapterOrigin = adapterOrigin;
    this.adapters = adapters;
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
      Map<String, HostTensor> tensors = new LinkedHashMap<>(checkpoint.tensors());
      List<String> notes = new ArrayList<>(checkpoint.notes());
      if (adapter != null) {
        PeftAdapter peft = PeftAdapter.read(adapter);
        tensors.putAll(peft.saved());
        notes.addAll(peft.notes());
        return new ModelFile(checkpoint, adapter.toString(), peft.modules(), tensors, notes);
      }
      Map<String, LoraWeights> unmerged = LoraWeights.find(checkpoint, STUDY_ALPHA, 0);
      for (String module : unmerged.keySet()) {
        tensors.remove(module + ".lora_A");
        tensors.remove(module + ".lora_B");
      }
      if (!unmerged.isEmpty()) {
        notes.add(
            unmerged.size()
                + " LoRA layers found in "
                + weights
                + ", taken with alpha "
                + (int) STUDY_ALPHA);
      }
      return new ModelFile(checkpoint, weights.toString(), unmerged, tensors, notes);
    } catch (Throwable e) {
      checkpoint.close();
      throw e;
    }
  }

  /**
   * The model as the files have it, head and adapters included, to be evaluated.
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
            VitReader.config(source, heads),
            Math.toIntExact(head.size(0)),
            source,
            new Initializer(0),
            name -> false);
    Adapters.attach(model, adapters, adapterOrigin);
    notes.addAll(source.notes());
    return model;
  }

  /**
   * A model to be trained; adapters in the files are not attached.
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
    VitConfig config = VitReader.config(source, heads);
    VisionTransformer model =
        new VisionTransformer(
            imageSize > 0 ? config.withImageSize(imageSize) : config,
            labels,
            source,
            initializer,
            trainable);
    notes.addAll(source.notes());
    return model;
  }

  /** A model of the weights' shape that starts from nothing: what pretraining is compared with. */
  public VisionTransformer randomStart(
      int heads, int labels, Initializer initializer, Predicate<String> trainable) {
    return new VisionTransformer(
        VitReader.config(source(), heads), labels, WeightSource.none(), initializer, trainable);
  }

  /** Pixels a side of the images the weights were made for. */
  public int imageSize() {
    return VitReader.imageSize(source());
  }

  private WeightSource source() {
    return new WeightSource(checkpoint.path().toString(), tensors);
  }

  /** What a person should know of how the files were read. */
  public List<String> notes() {
    return List.copyOf(notes);
  }

  @Override
  public void close() {
    checkpoint.close();
  }
}
