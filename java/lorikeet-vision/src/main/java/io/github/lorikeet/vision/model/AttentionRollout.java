// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import java.util.ArrayList;
import java.util.List;

/**
 * How much of each patch of an image reaches the classifier by way of attention: attention rollout
 * (Abnar and Zuidema, "Quantifying Attention Flow in Transformers", arXiv 2005.00928). A block
 * hands on half of each token itself, by its residual, and half of what it attends to, the mean
 * over heads; the blocks' matrices are multiplied. As the classifier reads the mean of the patch
 * tokens, so does this. It tells where a model looks, not for which label.
 *
 * <p>The attention kernel keeps no probabilities: they are computed again here from the queries and
 * keys, on the host, which takes a moment an image.
 */
public final class AttentionRollout implements AutoCloseable {
  private final VitConfig config;
  private final Variable image;
  private final Variable logits;
  private final List<Variable> qkv = new ArrayList<>();
  private final Tape tape;
  private final MemoryPlan plan;

  /**
   * Allocates a forward pass of one image.
   *
   * @param model that is part of no other memory plan, such as {@link VisionTransformer#frozen}
   */
  public AttentionRollout(Device device, VisionTransformer model) {
    config = model.config();
    tape = new Tape(device, false);
    image = tape.input(DType.F32, 1, 1, config.imageSize(), config.imageSize());
    logits = tape.keep(model.forward(tape, image, 0, packed -> qkv.add(tape.keep(packed))));
    plan = MemoryPlan.of(null, tape);
    plan.allocate();
  }

  /**
   * What a model says of an image.
   *
   * @param relevance of each patch, row by row: [grid, grid], at least 0
   * @param logits of the labels
   */
  public record Result(double[] relevance, float[] logits) {}

  /**
   * @param pixels normalised: [imageSize, imageSize]
   */
  public Result of(float[] pixels) {
    image.tensor().upload(HostTensor.of(pixels, pixels.length).data());
    tape.run(0, false);
    double[][] flow = null;
    for (Variable packed : qkv) {
      double[][] attention =
          meanAttention(packed.tensor().download(), config.tokens(), config.heads());
      flow = withResidual(attention, flow);
    }
    return new Result(patches(flow, config.leadingTokens()), logits.tensor().download());
  }

  /**
   * Attention probabilities, softmax(q kᵀ / sqrt(head width)), their mean over heads.
   *
   * @param qkv [tokens, 3, heads, head width]
   * @return [tokens, tokens], rows of sum 1
   */
  static double[][] meanAttention(float[] qkv, int tokens, int heads) {
    int row = qkv.length / tokens;
    int width = row / 3;
    int headWidth = width / heads;
    double scale = 1 / Math.sqrt(headWidth);
    double[][] mean = new double[tokens][tokens];
    double[] weights = new double[tokens];
    for (int head = 0; head < heads; head++) {
      for (int i = 0; i < tokens; i++) {
        int query = i * row + head * headWidth;
        double largest = Double.NEGATIVE_INFINITY;
        for (int j = 0; j < tokens; j++) {
          int key = j * row + width + head * headWidth;
          double product = 0;
          for (int d = 0; d < headWidth; d++) {
            product += (double) qkv[query + d] * qkv[key + d];
          }
          weights[j] = product * scale;
          largest = Math.max(largest, weights[j]);
        }
        double sum = 0;
        for (int j = 0; j < tokens; j++) {
          weights[j] = Math.exp(weights[j] - largest);
          sum += weights[j];
        }
        for (int j = 0; j < tokens; j++) {
          mean[i][j] += weights[j] / (sum * heads);
        }
      }
    }
    return mean;
  }

  /**
   * (attention + 1) / 2 times what flowed into the block.
   *
   * @param before [tokens, tokens]; null before the first block
   */
  static double[][] withResidual(double[][] attention, double[][] before) {
    int tokens = attention.length;
    double[][] flow = new double[tokens][tokens];
    for (int i = 0; i < tokens; i++) {
      for (int j = 0; j < tokens; j++) {
        double share = (attention[i][j] + (i == j ? 1 : 0)) / 2;
        if (before == null) {
          flow[i][j] = share;
        } else {
          for (int k = 0; k < tokens; k++) {
            flow[i][k] += share * before[j][k];
          }
        }
      }
    }
    return flow;
  }

  /** The mean over the patch tokens of what reached them from each patch. */
  static double[] patches(double[][] flow, int leading) {
    int patches = flow.length - leading;
    double[] relevance = new double[patches];
    for (int i = leading; i < flow.length; i++) {
      for (int j = 0; j < patches; j++) {
        relevance[j] += flow[i][leading + j] / patches;
      }
    }
    return relevance;
  }

  @Override
  public void close() {
    plan.close();
  }
}
