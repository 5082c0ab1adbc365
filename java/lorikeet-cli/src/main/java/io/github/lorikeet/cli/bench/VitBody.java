// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.autograd.Sgd;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.model.WeightSource;
import io.github.lorikeet.vision.train.TrainMode;

/** A vision transformer's forward pass, or a training step with SGD. */
final class VitBody extends StepBody<VisionTransformer> {
  /**
   * @param type of the activations
   * @param mode what is trained; null for inference
   * @param dropout in front of the adapters
   */
  VitBody(Device device, DType type, TrainMode mode, float dropout, WeightSource weights) {
    super(VitModel.of(mode, dropout, weights));
    Tape tape = new Tape(device, mode != null, 1, type);
    Variable images = tape.input(DType.F32, VitModel.BATCH, 1, 224, 224);
    tensors().put("images", images.tensor());
    Variable logits = tape.keep(model().forward(tape, images, 0));
    tensors().put("logits", logits.tensor());
    if (mode != null) {
      Variable targets = tape.input(DType.F32, VitModel.BATCH, VitModel.LABELS);
      tensors().put("targets", targets.tensor());
      Variable loss = tape.keep(tape.bceWithLogits(logits, targets));
      tensors().put("loss", loss.tensor());
      tape.backward(loss);
    }
    allocate(tape, mode == null ? null : new Sgd(0.9f), model().parameters());
    VitModel.fill(tensors());
  }
}
