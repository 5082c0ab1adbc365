// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

/**
 * A case over a whole model. Its tensors are the inputs and results of a step, gradients under
 * {@code gradient of NAME}.
 *
 * @param <M> the model's class
 */
public interface ModelBody<M> extends Body {
  /** The model, whose parameters peers take their weights from. */
  M model();
}
