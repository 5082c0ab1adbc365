// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Optimizer;
import io.github.lorikeet.core.autograd.Sgd;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.model.WeightSource;
import io.github.lorikeet.vision.train.TrainMode;
import java.util.LinkedHashMap;
import java.util.Map;

/** A vision transformer's forward pass, or a training step with SGD. */
final class VitBody implements ModelBody<VisionTransformer> {
  private final VisionTransformer model;
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private final Tape tape;
  private final MemoryPlan plan;
  private final Optimizer optimizer;
  private long step;

  /**
   * @param type of the activations
   * @param mode what is trained; null for inference
   * @param dropout in front of the adapters
   */
  VitBody(Device device, DType type, TrainMode mode, float dropout, WeightSource weights) {
    model = VitModel.of(mode, dropout, weights);
    tape = new Tape(device, mode != null, 1, type);
    Variable images = tape.input(DType.F32, VitModel.BATCH, 1, 224, 224);
    tensors.put("images", images.tensor());
    Variable logits = tape.keep(model.forward(tape, images, 0));
    tensors.put("logits", logits.tensor());
    optimizer = mode == null ? null : new Sgd(0.9f);
    if (mode != null) {
      Variable targets = tape.input(DType.F32, VitModel.BATCH, VitModel.LABELS);
      tensors.put("targets", targets.tensor());
      Variable loss = tape.keep(tape.bceWithLogits(logits, targets));
      tensors.put("loss", loss.tensor());
      tape.backward(loss);
    }
    plan = MemoryPlan.of(optimizer, tape);
    plan.allocate();
    ModelBody.addGradients(tensors, model.parameters());
    VitModel.fill(tensors);
  }

  @Override
  public void run() {
    tape.run(step++, false);
    if (optimizer != null) {
      optimizer.step(VitModel.LEARNING_RATE);
    }
  }

  @Override
  public VisionTransformer model() {
    return model;
  }

  @Override
  public float learningRate() {
    return VitModel.LEARNING_RATE;
  }

  @Override
  public Map<String, Tensor> tensors() {
    return tensors;
  }

  @Override
  public void close() {
    plan.close();
  }
}
