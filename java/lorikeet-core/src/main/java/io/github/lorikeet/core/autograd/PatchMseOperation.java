// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.Gradient.Contribution;

/**
 * A masked autoencoder's loss: predicted patches against the images' own, normalised one by one.
 * Saves the prediction, the images and the indices.
 */
final class PatchMseOperation extends LossOperation {
  private final Variable prediction;
  private final Variable images;
  private final Variable indices;
  private final Tensor pixels;
  private final long patch;
  private final float eps;

  PatchMseOperation(
      Recording recording,
      Variable prediction,
      Variable images,
      int patch,
      Variable indices,
      float eps) {
    super(recording);
    this.prediction = recording.use(prediction);
    this.images = recording.use(images);
    this.indices = recording.use(indices);
    this.patch = patch;
    this.eps = eps;
    TokenGatherOperation.checkIndices(prediction, indices);
    if (indices.size(1) != prediction.size(1)) {
      throw new IllegalArgumentException(
          "indices: " + indices + ", expected one for each patch of " + prediction);
    }
    pixels = Images.withChannels(images, patch, prediction.size(2));
    Kernels kernels = recording.kernels;
    Tensor loss = Tensor.unplaced(DType.F32, 1);
    Tensor workspace =
        recording.workspace(
            kernels.patchMseForwardWorkspace(prediction.size(0), prediction.size(1)));
    recording
        .call(
            "patch_mse_forward",
            () ->
                kernels.patchMseForward(
                    prediction.tensor(), pixels, patch, indices.tensor(), eps, loss, workspace))
        .reads(prediction.tensor(), images.tensor(), indices.tensor())
        .writes(loss, workspace);
    output(loss, prediction.requiresGradient());
  }

  @Override
  void backwardFrom(float scale) {
    Contribution dPrediction = prediction.contribute(false);
    recording
        .call(
            "patch_mse_backward",
            () ->
                recording.kernels.patchMseBackward(
                    prediction.tensor(),
                    pixels,
                    patch,
                    indices.tensor(),
                    eps,
                    recording.lossFactor(scale),
                    dPrediction.tensor()))
        .reads(prediction.tensor(), images.tensor(), indices.tensor())
        .writes(dPrediction.tensor());
    dPrediction.join();
  }
}
