// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.Lora;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** A vision transformer with everything the study's has, and few of each. */
final class TinyVit {
  /** What is trained. */
  enum Mode {
    /** The adapters and the head. */
    LORA,
    EVERYTHING,
    HEAD
  }

  static final int PATCH = 4;
  static final int SIZE = 8;
  static final int TOKENS = 5;
  static final int WIDTH = 8;
  static final int HEADS = 2;
  static final int LABELS = 3;
  static final int DEPTH = 2;
  static final int RANK = 2;

  private record Block(
      LayerNorm norm1, Linear qkv, Linear proj, LayerNorm norm2, Linear fc1, Linear fc2) {}

  /** A tape of the model over a batch. */
  record Step(Tape tape, Variable images, Variable targets, Variable logits, Variable loss) {
    long samples() {
      return images.size(0);
    }

    /**
     * Fills the inputs with images that only n decides, and labels that say which of the first
     * patches are bright.
     */
    void fill(long n) {
      float[] pixels = normal(new SplittableRandom(n), images.tensor().elements(), 0, 1);
      float[] labels = new float[(int) targets.tensor().elements()];
      for (int i = 0; i < labels.length; i++) {
        labels[i] = brightness(pixels, i / LABELS, i % LABELS) > 0 ? 1 : 0;
      }
      images.tensor().upload(pixels);
      targets.tensor().upload(labels);
    }

    private static float brightness(float[] pixels, int image, int patch) {
      int first = image * SIZE * SIZE + patch / (SIZE / PATCH) * PATCH * SIZE;
      float sum = 0;
      for (int y = 0; y < PATCH; y++) {
        for (int x = 0; x < PATCH; x++) {
          sum += pixels[first + y * SIZE + patch % (SIZE / PATCH) * PATCH + x];
        }
      }
      return sum;
    }
  }

  private final Mode mode;
  private final SplittableRandom random = new SplittableRandom(11);
  private final Linear projection;
  private final Parameter position;
  private final Parameter classToken;
  private final List<Block> blocks = new ArrayList<>();
  private final LayerNorm norm;
  private final Linear head;

  TinyVit(Mode mode) {
    this.mode = mode;
    projection =
        new Linear(
            body("patch_embed.proj.weight", 0, 0.2, WIDTH, 3, PATCH, PATCH),
            body("patch_embed.proj.bias", 0, 0.2, WIDTH));
    position = body("pos_embed", 0, 0.5, 1, TOKENS, WIDTH);
    classToken = body("cls_token", 0, 0.5, 1, 1, WIDTH);
    for (int i = 0; i < DEPTH; i++) {
      blocks.add(block("blocks." + i));
    }
    norm =
        new LayerNorm(
            parameter("fc_norm.weight", true, 1, 0.2, WIDTH),
            parameter("fc_norm.bias", true, 0, 0.2, WIDTH),
            1e-6f);
    head =
        new Linear(
            parameter("head.weight", true, 0, 0.5, LABELS, WIDTH),
            parameter("head.bias", true, 0, 0.2, LABELS));
  }

  private Block block(String name) {
    return new Block(
        bodyNorm(name + ".norm1"),
        bodyLinear(name + ".attn.qkv", 3 * WIDTH, WIDTH, lora(name + ".attn.qkv")),
        bodyLinear(name + ".attn.proj", WIDTH, WIDTH, null),
        bodyNorm(name + ".norm2"),
        bodyLinear(name + ".mlp.fc1", 2 * WIDTH, WIDTH, null),
        bodyLinear(name + ".mlp.fc2", WIDTH, 2 * WIDTH, null));
  }

  private LoraAdapter lora(String name) {
    if (mode != Mode.LORA) {
      return null;
    }
    return new LoraAdapter(
        parameter(name + ".lora_A", true, 0, 0.3, 2 * RANK, WIDTH),
        parameter(name + ".lora_B", true, 0, 0.3, 2 * WIDTH, RANK),
        List.of(new Lora.Group(0, WIDTH), new Lora.Group(2 * WIDTH, WIDTH)),
        RANK,
        4,
        0.25f);
  }

  private Linear bodyLinear(String name, long n, long k, LoraAdapter lora) {
    return new Linear(
        body(name + ".weight", 0, 1 / Math.sqrt(k), n, k), body(name + ".bias", 0, 0.2, n), lora);
  }

  private LayerNorm bodyNorm(String name) {
    return new LayerNorm(
        body(name + ".weight", 1, 0.2, WIDTH), body(name + ".bias", 0, 0.2, WIDTH), 1e-6f);
  }

  private Parameter body(String name, double mean, double deviation, long... sizes) {
    return parameter(name, mode == Mode.EVERYTHING, mean, deviation, sizes);
  }

  private Parameter parameter(
      String name, boolean trained, double mean, double deviation, long... sizes) {
    long elements = Arrays.stream(sizes).reduce(1, (a, b) -> a * b);
    return new Parameter(
        name, HostTensor.of(normal(random, elements, mean, deviation), sizes), trained);
  }

  static float[] normal(SplittableRandom random, long elements, double mean, double deviation) {
    float[] values = new float[Math.toIntExact(elements)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (mean + deviation * random.nextGaussian());
    }
    return values;
  }

  /** Records the forward pass, its inputs being the tape's. */
  Step record(Tape tape, long samples) {
    Variable images = tape.input(DType.F32, samples, 1, SIZE, SIZE);
    Variable targets = tape.input(DType.F32, samples, LABELS);
    Variable x = tape.patchEmbed(images, PATCH, projection, position, classToken);
    for (int i = 0; i < DEPTH; i++) {
      float p = 0.4f * i / (DEPTH - 1);
      x = block(tape, x, blocks.get(i), p, samples);
    }
    Variable pooled = tape.layerNorm(tape.meanPool(x, 1), norm);
    Variable logits = tape.keep(tape.linear(pooled, head));
    return new Step(tape, images, targets, logits, tape.bceWithLogits(logits, targets));
  }

  private static Variable block(Tape tape, Variable x, Block block, float p, long samples) {
    Variable qkv = tape.linear(tape.layerNorm(x, block.norm1()), block.qkv());
    Variable attended = tape.attention(qkv, HEADS);
    Variable scales = tape.dropPathScales(p, samples);
    Variable middle = tape.linear(attended, block.proj(), LinearOptions.residual(x, scales));
    Variable normed = tape.layerNorm(middle, block.norm2());
    Variable hidden = tape.linear(normed, block.fc1(), LinearOptions.GELU);
    scales = tape.dropPathScales(p, samples);
    return tape.linear(hidden, block.fc2(), LinearOptions.residual(middle, scales));
  }
}
