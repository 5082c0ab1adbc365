// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.vision.model.VisionTransformer;

/** A case over a whole model. Its tensors are the inputs and results of a step. */
public interface ModelBody extends Body {
  /** The model, whose parameters peers take their weights from. */
  VisionTransformer model();
}
