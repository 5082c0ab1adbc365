// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Optimizer;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.core.autograd.Tape;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A recorded forward pass, or a whole training step, over planned memory.
 *
 * @param <M> the model's class
 */
abstract class StepBody<M> implements ModelBody<M> {
  private final M model;
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private Tape tape;
  private MemoryPlan plan;
  private Optimizer optimizer;
  private long step;

  StepBody(M model) {
    this.model = model;
  }

  /**
   * Gives the recorded step its memory.
   *
   * @param optimizer null for inference
   * @param parameters those that are trained have a gradient among the tensors
   */
  final void allocate(Tape recorded, Optimizer optimizer, Collection<Parameter> parameters) {
    tape = recorded;
    this.optimizer = optimizer;
    plan = MemoryPlan.of(optimizer, tape);
    plan.allocate();
    for (Parameter parameter : parameters) {
      if (parameter.trainable()) {
        tensors.put("gradient of " + parameter.name(), parameter.gradient());
      }
    }
  }

  @Override
  public void run() {
    tape.run(step++, false);
    if (optimizer != null) {
      optimizer.step(VitModel.LEARNING_RATE);
    }
  }

  @Override
  public M model() {
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
