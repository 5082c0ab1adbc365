// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;

/** The arguments of {@link Tensor#backward} that never change. */
final class Autograd {
  static final BoolOptional KEEP_NOTHING = new BoolOptional();
  static final TensorArrayRefOptional ALL_INPUTS = new TensorArrayRefOptional();

  private Autograd() {}
}
