// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.TestDevices;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class StochasticDepthTest {
  private static final int WIDTH = 8;
  private static final int DEPTH = 3;
  private static final int SAMPLES = 4000;

  /** A feature that no block touches. */
  private static final int UNTOUCHED = 7;

  /**
   * A model of zeros, but for the biases that end residual branches: both of block i add 1 to
   * feature i, times their scale. Behind the normalisation the head hands the features on, so that
   * (logit i - logit 7) / (logit 0 - logit 7) is feature i over feature 0.
   */
  private static VisionTransformer model() {
    Map<String, HostTensor> tensors = new HashMap<>();
    add(tensors, "pos_embed", 0, 1, 1, WIDTH);
    add(tensors, "patch_embed.proj.weight", 0, WIDTH, 1, 4, 4);
    add(tensors, "patch_embed.proj.bias", 0, WIDTH);
    for (int i = 0; i < DEPTH; i++) {
      String block = "blocks." + i + ".";
      for (String norm : new String[] {"norm1", "norm2"}) {
        add(tensors, block + norm + ".weight", 0, WIDTH);
        add(tensors, block + norm + ".bias", 0, WIDTH);
      }
      linear(tensors, block + "attn.qkv", 3 * WIDTH, WIDTH);
      linear(tensors, block + "attn.proj", WIDTH, WIDTH);
      linear(tensors, block + "mlp.fc1", WIDTH, WIDTH);
      linear(tensors, block + "mlp.fc2", WIDTH, WIDTH);
      float[] bias = new float[WIDTH];
      bias[i] = 1;
      tensors.put(block + "attn.proj.bias", HostTensor.of(bias, WIDTH));
      tensors.put(block + "mlp.fc2.bias", HostTensor.of(bias, WIDTH));
    }
    float[] identity = new float[WIDTH * WIDTH];
    for (int i = 0; i < WIDTH; i++) {
      identity[i * WIDTH + i] = 1;
    }
    tensors.put("head.weight", HostTensor.of(identity, WIDTH, WIDTH));
    add(tensors, "head.bias", 0, WIDTH);
    add(tensors, "fc_norm.weight", 1, WIDTH);
    add(tensors, "fc_norm.bias", 0, WIDTH);
    VitConfig config = new VitConfig(4, 4, 1, WIDTH, DEPTH, 1, WIDTH, false);
    WeightSource source = new WeightSource("test", tensors);
    return new VisionTransformer(config, WIDTH, source, new Initializer(0), name -> false);
  }

  private static void linear(Map<String, HostTensor> tensors, String name, long n, long k) {
    add(tensors, name + ".weight", 0, n, k);
    add(tensors, name + ".bias", 0, n);
  }

  private static void add(
      Map<String, HostTensor> tensors, String name, float value, long... sizes) {
    long elements = 1;
    for (long size : sizes) {
      elements *= size;
    }
    tensors.put(name, HostTensor.of(Layers.filled(elements, value), sizes));
  }

  private static float[] logits(boolean training) {
    try (Device device = TestDevices.open(1)) {
      Tape tape = new Tape(device, training, 5);
      Variable images = tape.input(DType.F32, SAMPLES, 1, 4, 4);
      Variable logits = tape.keep(model().forward(tape, images, 0.5f));
      try (MemoryPlan plan = MemoryPlan.of(null, tape)) {
        plan.allocate();
        images.tensor().upload(new float[SAMPLES * 16]);
        tape.run(1, false);
        return logits.tensor().download();
      }
    }
  }

  private static double ratio(float[] logits, int sample, int feature) {
    float untouched = logits[sample * WIDTH + UNTOUCHED];
    return (logits[sample * WIDTH + feature] - untouched) / (logits[sample * WIDTH] - untouched);
  }

  /** p is 0, 1/4 and 1/2: kept branches count for 1, 4/3 and 2, each is drawn by itself. */
  @Test
  void theProbabilityRisesFromZeroInTheFirstBlock() {
    float[] logits = logits(true);
    for (int block = 1; block < DEPTH; block++) {
      double p = block / 4.0;
      int[] kept = new int[3];
      for (int sample = 0; sample < SAMPLES; sample++) {
        // Feature 0 is 2: nothing of the first block is ever dropped.
        double branches = ratio(logits, sample, block) * 2 * (1 - p);
        int count = (int) Math.round(branches);
        assertThat(branches).as("sample " + sample).isCloseTo(count, within(1e-4));
        kept[count]++;
      }
      // Binomial: one standard deviation of a count is at most sqrt(4000) / 2 = 32.
      assertThat((double) kept[0]).isCloseTo(SAMPLES * p * p, within(150.0));
      assertThat((double) kept[1]).isCloseTo(SAMPLES * 2 * p * (1 - p), within(150.0));
      assertThat((double) kept[2]).isCloseTo(SAMPLES * (1 - p) * (1 - p), within(150.0));
    }
  }

  @Test
  void nothingIsDroppedOutsideTraining() {
    float[] logits = logits(false);
    for (int sample = 0; sample < SAMPLES; sample++) {
      assertThat(ratio(logits, sample, 1)).isEqualTo(1);
      assertThat(ratio(logits, sample, 2)).isEqualTo(1);
    }
  }
}
