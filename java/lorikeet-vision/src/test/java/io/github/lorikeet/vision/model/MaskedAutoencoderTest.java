// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.autograd.AdamW;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.TestDevices;
import io.github.lorikeet.vision.model.MaskedAutoencoder.Decoder;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag(TestDevices.EACH)
class MaskedAutoencoderTest {
  private static final int GRID = 3;

  /**
   * A decoder that knows each token's place and no more: nothing reaches it from the encoder, its
   * blocks add nothing, and its prediction is the normalised position embedding, which for width 4
   * is sine and cosine of the column, then of the row. In a picture whose patches have just these
   * four pixels it is right everywhere. The target's variance is over 3, the norm's over 4.
   */
  @Test
  void everyMaskedPatchIsPredictedFromItsOwnToken() {
    MaskedAutoencoder model =
        new MaskedAutoencoder(
            new VitConfig(2 * GRID, 2, 1, 8, 1, 1, 8, true),
            new Decoder(4, 1, 1),
            new Initializer(1));
    try (Device device = TestDevices.open(1)) {
      Tape tape = new Tape(device, true);
      Variable images = tape.input(DType.F32, 2, 1, 2 * GRID, 2 * GRID);
      Variable visible = tape.input(DType.I32, 2, 3);
      Variable masked = tape.input(DType.I32, 2, 7);
      Variable patches = tape.input(DType.I32, 2, 7);
      Variable loss = tape.keep(model.loss(tape, images, visible, masked, patches));
      tape.backward(loss);
      try (MemoryPlan plan = MemoryPlan.of(new AdamW(), tape)) {
        plan.allocate();
        model.parameters().forEach(MaskedAutoencoderTest::knowOnlyThePlace);
        images.tensor().upload(pictures());
        visible.tensor().upload(new int[] {0, 5, 9, 0, 1, 2});
        masked.tensor().upload(new int[] {1, 2, 3, 4, 6, 7, 8, 3, 4, 5, 6, 7, 8, 9});
        patches.tensor().upload(new int[] {0, 1, 2, 3, 5, 6, 7, 2, 3, 4, 5, 6, 7, 8});
        tape.run(0, false);
        assertThat(loss.tensor().download()[0]).isBetween(0f, 1e-8f);
        // Pictures that are the other way up are wrong.
        float[] negative = pictures();
        for (int i = 0; i < negative.length; i++) {
          negative[i] = -negative[i];
        }
        images.tensor().upload(negative);
        tape.run(1, false);
        assertThat(loss.tensor().download()[0]).isGreaterThan(1f);
      }
    }
  }

  private static void knowOnlyThePlace(Parameter parameter) {
    float[] values = new float[Math.toIntExact(parameter.elements())];
    switch (parameter.name()) {
      case "decoder_embed.weight",
          "mask_token",
          "decoder_blocks.0.attn.proj.weight",
          "decoder_blocks.0.mlp.fc2.weight" ->
          parameter.load(HostTensor.of(values, parameter.sizes()));
      case "decoder_pred.weight" -> {
        for (int i = 0; i < 4; i++) {
          values[5 * i] = (float) Math.sqrt(0.75);
        }
        parameter.load(HostTensor.of(values, parameter.sizes()));
      }
      default -> {}
    }
  }

  /** Two of the same. */
  private static float[] pictures() {
    float[] pixels = new float[2 * 4 * GRID * GRID];
    for (int i = 0; i < pixels.length; i++) {
      int x = i % (2 * GRID);
      int y = i / (2 * GRID) % (2 * GRID);
      double angle = y % 2 == 0 ? x / 2 : y / 2;
      pixels[i] = (float) (x % 2 == 0 ? Math.sin(angle) : Math.cos(angle));
    }
    return pixels;
  }
}
