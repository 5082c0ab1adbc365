// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.autograd.AdamW;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.MaskedAutoencoder;
import io.github.lorikeet.vision.model.VitConfig;
import io.github.lorikeet.vision.model.WeightSource;
import io.github.lorikeet.vision.train.TrainMode;
import java.util.List;
import java.util.function.Function;
import java.util.function.IntUnaryOperator;

/**
 * Whole steps of a ViT-B/16 at 224 pixels: forward, backward and optimiser, as training runs them.
 */
final class ModelCases {
  private static final VitConfig CONFIG = VitModel.CONFIG;
  private static final MaskedAutoencoder.Decoder DECODER =
      new MaskedAutoencoder.Decoder(512, 8, 16);
  private static final int BATCH = VitModel.BATCH;
  private static final double MASKED = 0.75;

  private ModelCases() {}

  static List<Case> of(DType type) {
    String shape = "ViT-B/16 batch=" + BATCH;
    double linear = 2.0 * BATCH * 197 * CONFIG.depth() * 12 * 768 * 768;
    double patches = 2.0 * BATCH * 196 * 768 * 768;
    double attention = 4.0 * BATCH * 197 * 197 * 768 * CONFIG.depth();
    double forward = linear + patches + attention;
    // The first block's input needs no gradient.
    double first = 2.0 * BATCH * 197 * 768 * 2304;
    double lowRank = 2.0 * BATCH * 197 * 2 * VitModel.RANK * 2 * 768 * CONFIG.depth();
    double lora = forward + linear - first + 2.5 * attention + 3 * lowRank;
    double full = 3 * linear + 2 * patches + 3.5 * attention;
    return List.of(
        vit(type, "vit-inference", shape, forward),
        vit(type, "vit-lora-step", shape + " r=" + VitModel.RANK + " p=" + VitModel.DROPOUT, lora),
        vit(type, "vit-full-step", shape, full),
        new Case(
            "mae-step",
            shape + " masked=" + MASKED,
            type,
            new Work(maeOperations(), 0),
            device -> new MaeBody(device, type)));
  }

  private static double maeOperations() {
    int visible = CONFIG.patches() - masked();
    double m = BATCH * (1.0 + visible);
    double encoder = 2 * m * CONFIG.depth() * 12 * 768 * 768;
    double patches = 2.0 * BATCH * CONFIG.patches() * 768 * 768;
    double width = DECODER.width();
    double decoder = 2.0 * BATCH * 197 * DECODER.depth() * 12 * width * width;
    double ends = 2 * m * 768 * width + 2.0 * BATCH * masked() * width * 256;
    double attention =
        4
            * (m * (1 + visible) * 768 * CONFIG.depth()
                + 197.0 * 197 * BATCH * width * DECODER.depth());
    return 3 * (encoder + decoder + ends) + 2 * patches + 3.5 * attention;
  }

  private static int masked() {
    return (int) Math.round(CONFIG.patches() * MASKED);
  }

  private static Case vit(DType type, String name, String shape, double operations) {
    TrainMode mode = VitModel.mode(name);
    Work work = new Work(operations, 0);
    Function<Device, Body> opener = vit(type, mode, VitModel.DROPOUT);
    return mode == TrainMode.LORA
        ? new Case(name, shape, type, work, opener, vit(type, mode, 0))
        : new Case(name, shape, type, work, opener);
  }

  private static Function<Device, Body> vit(DType type, TrainMode mode, float dropout) {
    return device -> new VitBody(device, type, mode, dropout, WeightSource.none());
  }

  /** A masked autoencoder's training step with AdamW. */
  private static final class MaeBody extends StepBody<MaskedAutoencoder> {
    MaeBody(Device device, DType type) {
      super(new MaskedAutoencoder(CONFIG, DECODER, new Initializer(1)));
      int visible = CONFIG.patches() - masked();
      Tape tape = new Tape(device, true, 1, type);
      Variable images = tape.input(DType.F32, BATCH, 1, 224, 224);
      Variable seen = tape.input(DType.I32, BATCH, 1 + visible);
      Variable hidden = tape.input(DType.I32, BATCH, masked());
      Variable patches = tape.input(DType.I32, BATCH, masked());
      Variable loss = tape.keep(model().loss(tape, images, seen, hidden, patches));
      tape.backward(loss);
      tensors().put("images", images.tensor());
      tensors().put("visible", seen.tensor());
      tensors().put("masked", hidden.tensor());
      tensors().put("masked_patches", patches.tensor());
      tensors().put("loss", loss.tensor());
      allocate(tape, new AdamW(0.9f, 0.95f, 1e-8f), model().parameters());
      images.tensor().upload(Tensors.host("images", 2, BATCH, 1, 224, 224).data());
      seen.tensor().upload(indices(1 + visible, i -> i == 0 ? 0 : 1 + patch(i - 1 + masked())));
      hidden.tensor().upload(indices(masked(), i -> 1 + patch(i)));
      patches.tensor().upload(indices(masked(), ModelCases::patch));
    }

    private static int[] indices(int count, IntUnaryOperator index) {
      int[] all = new int[BATCH * count];
      for (int i = 0; i < all.length; i++) {
        all[i] = index.applyAsInt(i % count);
      }
      return all;
    }
  }

  /**
   * The i-th patch of an order that leaps over the picture: 61 has no factor in common with 196.
   */
  private static int patch(int i) {
    return i * 61 % CONFIG.patches();
  }
}
