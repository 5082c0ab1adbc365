// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.Parameter;
import java.util.Collection;
import java.util.Map;

/**
 * A case over a whole model. Its tensors are the inputs and results of a step, gradients under
 * {@code gradient of NAME}.
 *
 * @param <M> the model's class
 */
public interface ModelBody<M> extends Body {
  /** The model, whose parameters peers take their weights from. */
  M model();

  /** Adds the gradients of parameters that have their memory. */
  static void addGradients(Map<String, Tensor> tensors, Collection<Parameter> parameters) {
    for (Parameter parameter : parameters) {
      if (parameter.trainable()) {
        tensors.put("gradient of " + parameter.name(), parameter.gradient());
      }
    }
  }
}
