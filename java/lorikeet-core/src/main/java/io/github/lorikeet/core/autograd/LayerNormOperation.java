// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.Gradient.Contribution;

/**
 * Layer normalisation of rows. Saves x and each row's mean and reciprocal deviation. Its gradient
 * joins that of the residual branch around it in the same pass.
 */
final class LayerNormOperation extends Operation {
  private final Variable x;
  private final LayerNorm layer;
  private final Tensor gamma;
  private final Tensor beta;
  private final long rows;
  private final Call forward;

  /** Written by the forward call if not null. */
  private Tensor statistics;

  LayerNormOperation(Recording recording, Variable x, LayerNorm layer) {
    super(recording);
    this.x = recording.use(x);
    this.layer = layer;
    long[] sizes = x.sizes();
    if (sizes[sizes.length - 1] != layer.width()) {
      throw new IllegalArgumentException(
          x + ": expected rows of " + layer.width() + " for " + layer.gamma());
    }
    rows = x.tensor().elements() / layer.width();
    gamma = recording.use(layer.gamma());
    beta = recording.use(layer.beta());
    Tensor y = Tensor.unplaced(x.type(), sizes);
    forward =
        recording
            .call("layer_norm_forward", () -> normalize(y, statistics))
            .reads(x.tensor())
            .writes(y);
    output(y, x.requiresGradient() || layer.gamma().trainable() || layer.beta().trainable());
  }

  private void normalize(Tensor y, Tensor saved) {
    recording.kernels.layerNormForward(x.tensor(), gamma, beta, layer.eps(), y, saved);
  }

  /** From x, which the backward pass reads. */
  @Override
  Tensor remake() {
    Tensor y = Tensor.unplaced(output().type(), output().sizes());
    recording.call("layer_norm_forward", () -> normalize(y, null)).reads(x.tensor()).writes(y);
    return y;
  }

  @Override
  void backward(Tensor dy) {
    Kernels kernels = recording.kernels;
    boolean adds = recording.addsTo(layer.gamma(), layer.beta());
    statistics = Tensor.unplaced(DType.F32, rows, 2);
    forward.writes(statistics);
    Contribution dX = x.contribute(true);
    Tensor dXTensor = dX == null ? null : dX.tensor();
    int dXFlag = dX != null && dX.adds() ? Kernels.ADD_TO_D_X : 0;
    Tensor dGamma = layer.gamma().gradientTensor();
    Tensor dBeta = layer.beta().gradientTensor();
    Tensor workspace = recording.workspace(kernels.layerNormBackwardWorkspace(rows, layer.width()));
    recording
        .call(
            "layer_norm_backward",
            () ->
                kernels.layerNormBackward(
                    dy,
                    x.tensor(),
                    gamma,
                    statistics,
                    dXFlag | recording.parameterFlag(adds),
                    dXTensor,
                    dGamma,
                    dBeta,
                    workspace))
        .reads(dy, x.tensor(), statistics, dX == null ? null : dX.read())
        .writes(dXTensor, workspace);
    if (dX != null) {
      dX.join();
    }
  }
}
