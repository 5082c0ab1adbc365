// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Lora;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.model.VitConfig;
import io.github.lorikeet.vision.model.WeightSource;
import io.github.lorikeet.vision.train.TrainMode;
import java.util.List;
import java.util.Map;

/** The vision transformer of the cases, a ViT-B/16 at 224 pixels, and its inputs. */
final class VitModel {
  static final VitConfig CONFIG = new VitConfig(224, 16, 3, 768, 12, 12, 3072, true);
  static final int BATCH = 8;
  static final int LABELS = 14;
  static final int RANK = 8;
  static final float DROPOUT = 0.1f;

  /** So small that weights stay what they are, however often a step is timed. */
  static final float LEARNING_RATE = 1e-9f;

  private VitModel() {}

  /** Whether a case is over this model. */
  static boolean has(Case subject) {
    return subject.name().startsWith("vit-");
  }

  /** What a case trains; null for inference. */
  static TrainMode mode(String name) {
    return switch (name) {
      case "vit-inference" -> null;
      case "vit-lora-step" -> TrainMode.LORA;
      case "vit-full-step" -> TrainMode.FULL;
      default -> throw new IllegalArgumentException(name + ": no case of a vision transformer");
    };
  }

  /** A case from these weights. */
  static Body open(Case subject, WeightSource weights, Device device) {
    return new VitBody(device, subject.type(), mode(subject.name()), DROPOUT, weights);
  }

  /** What a case from these weights begins with. */
  static Body inputs(Case subject, WeightSource weights, Device device) {
    return Inputs.of(device, mode(subject.name()), weights);
  }

  /**
   * A model of nothing but host memory yet.
   *
   * @param mode what is trained; null for inference
   * @param dropout in front of the adapters, which LoRA alone has
   */
  static VisionTransformer of(TrainMode mode, float dropout, WeightSource weights) {
    VisionTransformer model =
        new VisionTransformer(
            CONFIG, LABELS, weights, new Initializer(1), name -> mode != null && mode.trains(name));
    if (mode == TrainMode.LORA) {
      attachLora(model, dropout);
    }
    return model;
  }

  private static void attachLora(VisionTransformer model, float dropout) {
    long k = CONFIG.width();
    for (int i = 0; i < CONFIG.depth(); i++) {
      model.attach(
          "blocks." + i + ".attn.qkv",
          Tensors.host("a" + i, 0.04f, 2 * RANK, k),
          Tensors.host("b" + i, 0.01f, 2 * k, RANK),
          List.of(new Lora.Group(0, k), new Lora.Group(2 * k, k)),
          RANK,
          2 * RANK,
          dropout);
    }
  }

  /** Uploads a batch of images and, where there is a tensor for them, targets. */
  static void fill(Map<String, Tensor> inputs) {
    inputs.get("images").upload(Tensors.host("images", 2, BATCH, 1, 224, 224).data());
    if (inputs.containsKey("targets")) {
      inputs.get("targets").upload(Tensors.host("targets", 1, BATCH, LABELS).data());
    }
  }

  /** What a step of another library begins with: nothing here computes on it. */
  private record Inputs(VisionTransformer model, Tensors all)
      implements ModelBody<VisionTransformer> {
    static Inputs of(Device device, TrainMode mode, WeightSource weights) {
      Tensors all = new Tensors(device);
      all.zeros("images", DType.F32, BATCH, 1, 224, 224);
      if (mode != null) {
        all.zeros("targets", DType.F32, BATCH, LABELS);
      }
      fill(all.all());
      return new Inputs(VitModel.of(mode, DROPOUT, weights), all);
    }

    @Override
    public void run() {
      throw new UnsupportedOperationException("inputs alone");
    }

    @Override
    public float learningRate() {
      return LEARNING_RATE;
    }

    @Override
    public Map<String, Tensor> tensors() {
      return all.all();
    }

    @Override
    public void close() {
      all.close();
    }
  }
}
