// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.autograd.LinearOptions;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import java.util.Collection;
import java.util.List;

/**
 * A masked autoencoder (He et al., "Masked Autoencoders Are Scalable Vision Learners", arXiv
 * 2111.06377): the encoder sees the visible patches only, a light decoder predicts the pixels of
 * the masked ones. Its encoder is a {@link VisionTransformer}'s backbone under the same names.
 *
 * <p>Grey images: the encoder's patch embedding has the channels of its configuration, the decoder
 * predicts one, since equal channels have equal losses.
 */
public final class MaskedAutoencoder {
  private static final double TOKEN_DEVIATION = 0.02;

  /** Added to each target patch's variance. */
  private static final float TARGET_EPS = 1e-6f;

  /**
   * The decoder's shape.
   *
   * @param width features a token, a multiple of 4 and of heads
   * @param depth blocks
   * @param heads attention heads
   */
  public record Decoder(int width, int depth, int heads) {
    public Decoder {
      VitConfig.check("decoder width", width, VitConfig.MAX_WIDTH);
      VitConfig.check("decoder depth", depth, VitConfig.MAX_DEPTH);
      if (width % 4 != 0) {
        throw new IllegalArgumentException("decoder width " + width + ": expected a multiple of 4");
      }
      VitConfig.checkHeads("decoder heads", heads, width);
    }
  }

  private final VitConfig config;
  private final Decoder decoder;
  private final Layers layers;
  private final Parameter classToken;
  private final Parameter position;
  private final Parameter maskToken;
  private final Parameter decoderPosition;

  /** Everything starts anew; the position embeddings are fixed sines and cosines. */
  public MaskedAutoencoder(VitConfig config, Decoder decoder, Initializer initializer) {
    this.config = config;
    this.decoder = decoder;
    layers = new Layers(WeightSource.none(), initializer, name -> !name.endsWith("pos_embed"));
    int width = config.width();
    classToken =
        layers.add(
            "cls_token",
            () -> initializer.truncatedNormal("cls_token", width, TOKEN_DEVIATION),
            1,
            1,
            width);
    position = fixedPosition("pos_embed", width);
    layers.addPatchEmbedding(config);
    for (int i = 0; i < config.depth(); i++) {
      layers.addBlock("blocks." + i, width, config.hidden());
    }
    layers.addNorm("norm", width);
    layers.addLinear("decoder_embed", decoder.width(), width);
    maskToken =
        layers.add(
            "mask_token",
            () -> initializer.truncatedNormal("mask_token", decoder.width(), TOKEN_DEVIATION),
            1,
            1,
            decoder.width());
    decoderPosition = fixedPosition("decoder_pos_embed", decoder.width());
    for (int i = 0; i < decoder.depth(); i++) {
      layers.addBlock("decoder_blocks." + i, decoder.width(), 4L * decoder.width());
    }
    layers.addNorm("decoder_norm", decoder.width());
    layers.addLinear("decoder_pred", (long) config.patch() * config.patch(), decoder.width());
  }

  private Parameter fixedPosition(String name, int width) {
    float[] values = PositionEmbedding.sineCosine(width, config.grid(), true);
    return layers.add(name, HostTensor.of(values, 1, config.tokens(), width));
  }

  public VitConfig config() {
    return config;
  }

  /** The decoder's shape. */
  public Decoder decoder() {
    return decoder;
  }

  public Collection<Parameter> parameters() {
    return layers.parameters();
  }

  /**
   * The parameters a {@link VisionTransformer} starts from: the decoder and final norm left out.
   */
  public List<Parameter> backbone() {
    return parameters().stream()
        .filter(
            p ->
                !p.name().startsWith("decoder_")
                    && !p.name().startsWith("norm.")
                    && !p.name().equals("mask_token"))
        .toList();
  }

  /**
   * Records the loss of a batch, of which every image has the same numbers of visible and masked
   * patches.
   *
   * @param images [batch, 1, imageSize, imageSize], normalised grey
   * @param visible [batch, 1 + v] i32: tokens the encoder sees: 0, the class token, and 1 + patch
   * @param masked [batch, m] i32: tokens to predict: 1 + patch
   * @param maskedPatches [batch, m] i32: the same, counted over patches
   * @return [1], the mean squared error over the masked patches' normalised pixels
   */
  public Variable loss(
      Tape tape, Variable images, Variable visible, Variable masked, Variable maskedPatches) {
    Variable x =
        tape.patchEmbed(
            images, config.patch(), layers.linear("patch_embed.proj"), position, classToken);
    x = tape.tokenGather(x, visible);
    for (int i = 0; i < config.depth(); i++) {
      x = layers.block(tape, "blocks." + i, x, config.heads(), 0, qkv -> {});
    }
    x =
        tape.linear(
            tape.layerNorm(x, layers.norm("norm")),
            layers.linear("decoder_embed"),
            LinearOptions.NONE);
    x = tape.tokenScatter(x, visible, config.tokens(), maskToken, decoderPosition);
    for (int i = 0; i < decoder.depth(); i++) {
      x = layers.block(tape, "decoder_blocks." + i, x, decoder.heads(), 0, qkv -> {});
    }
    x = tape.tokenGather(x, masked);
    x = tape.layerNorm(x, layers.norm("decoder_norm"));
    Variable prediction = tape.linear(x, layers.linear("decoder_pred"), LinearOptions.NONE);
    return tape.patchMse(prediction, images, config.patch(), maskedPatches, TARGET_EPS);
  }
}
