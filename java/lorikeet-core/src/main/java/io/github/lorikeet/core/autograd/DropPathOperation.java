// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.RandomKey;
import io.github.lorikeet.core.Tensor;

/** Stochastic depth's scales, one a sample; drawn anew each step. */
final class DropPathOperation extends Operation {
  DropPathOperation(Recording recording, float p, long samples) {
    super(recording);
    RandomKey random = recording.random();
    Tensor scales = Tensor.unplaced(DType.F32, samples);
    recording
        .call(
            "drop_path_scales",
            () -> {
              random.step(recording.step);
              recording.kernels.dropPathScales(p, random, scales);
            })
        .writes(scales);
    output(scales, false);
  }

  @Override
  void backward(Tensor dy) {
    throw new IllegalStateException("nothing is trained here");
  }
}
