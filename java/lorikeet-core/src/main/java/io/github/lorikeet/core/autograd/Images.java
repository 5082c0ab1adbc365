// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.Tensor;

/** How operations see images [batch, channels, height, width]. */
final class Images {
  private Images() {}

  /**
   * A view of the images with as many channels as patches of {@code patchElements} have: one
   * channel is repeated as often as needed, without a copy.
   */
  static Tensor withChannels(Variable images, long patch, long patchElements) {
    long[] sizes = images.sizes();
    if (sizes.length != 4) {
      throw new IllegalArgumentException(images + ": expected [batch, channels, height, width]");
    }
    if (patch < 1 || sizes[2] % patch != 0 || sizes[3] % patch != 0) {
      throw new IllegalArgumentException(
          images + ": expected height and width to be multiples of the patch size " + patch);
    }
    long channels = patchElements / (patch * patch);
    boolean fits = patchElements % (patch * patch) == 0;
    if (!fits || sizes[1] != 1 && sizes[1] != channels) {
      throw new IllegalArgumentException(
          "%s: %d channels in patches of %d a side do not make %d elements"
              .formatted(images, sizes[1], patch, patchElements));
    }
    long[] strides = images.tensor().strides();
    if (sizes[1] == 1) {
      sizes[1] = channels;
      strides[1] = 0;
    }
    return images.tensor().view(0, sizes, strides);
  }
}
