// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.Weight;
import io.github.lorikeet.core.autograd.Recording.LayerWeight;

/**
 * A vision transformer's first layer: patches, projected, with their positions and the class token.
 * Saves the images where its weight is trained. Images get no gradient.
 */
final class PatchEmbedOperation extends Operation {
  private final Variable images;
  private final Tensor pixels;
  private final long patch;
  private final Linear projection;
  private final Parameter position;
  private final Parameter classToken;

  PatchEmbedOperation(
      Recording recording,
      Variable images,
      int patch,
      Linear projection,
      Parameter position,
      Parameter classToken) {
    super(recording);
    this.images = recording.use(images);
    this.patch = patch;
    this.projection = projection;
    this.position = position;
    this.classToken = classToken;
    if (images.requiresGradient()) {
      throw new IllegalArgumentException(images + ": images get no gradient");
    }
    if (projection.lora() != null) {
      throw new IllegalArgumentException(
          projection.weight() + ": an adapter of a patch embedding is not supported");
    }
    pixels = Images.withChannels(images, patch, projection.inputs());
    long width = projection.outputs();
    long patches = pixels.size(2) / patch * (pixels.size(3) / patch);
    long tokens = patches + (classToken == null ? 0 : 1);
    checkElements(position, tokens * width);
    checkElements(classToken, width);
    Kernels kernels = recording.kernels;
    LayerWeight used = recording.useAsWeight(projection.weight(), recording.activations);
    Weight weight = used.weight();
    Tensor bias = recording.use(projection.bias());
    Tensor positionTensor = recording.use(position);
    Tensor classTensor = recording.use(classToken);
    Tensor y = Tensor.unplaced(recording.activations, images.size(0), tokens, width);
    Tensor workspace =
        recording.workspace(kernels.patchEmbedForwardWorkspace(pixels, patch, weight));
    recording
        .call(
            "patch_embed_forward",
            () ->
                kernels.patchEmbedForward(
                    pixels, patch, weight, bias, positionTensor, classTensor, y, workspace))
        .reads(images.tensor(), used.copy())
        .writes(y, workspace);
    output(
        y,
        isTrained(projection.weight())
            || isTrained(projection.bias())
            || isTrained(position)
            || isTrained(classToken));
  }

  private static void checkElements(Parameter parameter, long expected) {
    if (parameter != null && parameter.elements() != expected) {
      throw new IllegalArgumentException(parameter + ": expected " + expected + " elements");
    }
  }

  private static boolean isTrained(Parameter parameter) {
    return parameter != null && parameter.trainable();
  }

  private static Tensor gradient(Parameter parameter) {
    return parameter == null ? null : parameter.gradientTensor();
  }

  @Override
  void backward(Tensor dy) {
    Kernels kernels = recording.kernels;
    Parameter weight = projection.weight();
    boolean adds = recording.addsTo(weight, projection.bias(), position, classToken);
    Tensor dWeight = weight.trainable() ? weight.matrix(weight.gradientTensor()) : null;
    Tensor workspace =
        recording.workspace(
            kernels.patchEmbedBackwardWorkspace(pixels, patch, projection.outputs()));
    Tensor dBias = gradient(projection.bias());
    Tensor dPosition = gradient(position);
    Tensor dClassToken = gradient(classToken);
    recording
        .call(
            "patch_embed_backward",
            () ->
                kernels.patchEmbedBackward(
                    dy,
                    pixels,
                    patch,
                    recording.parameterFlag(adds),
                    dWeight,
                    dBias,
                    dPosition,
                    dClassToken,
                    workspace))
        .reads(dy, images.tensor())
        .writes(workspace);
  }
}
