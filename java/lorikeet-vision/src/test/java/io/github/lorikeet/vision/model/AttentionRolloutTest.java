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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class AttentionRolloutTest {
  private static final Offset<Double> CLOSE = within(1e-6);

  /**
   * Two tokens, two heads of width 1. Head 0: q = 0, so that both keys weigh a half. Head 1: q =
   * (1, 0), k = (ln 3, 0), so that token 0 attends with 3/4 and 1/4, token 1 with halves. Means:
   * (5/8, 3/8) and (1/2, 1/2).
   */
  @Test
  void probabilitiesAreTheMeanOverHeads() {
    float ln3 = (float) Math.log(3);
    float[] qkv = {
      0, 1, 7, ln3, 9, 9, // token 0: q of two heads, k, v
      0, 0, 7, 0, 9, 9
    };
    double[][] mean = AttentionRollout.meanAttention(qkv, 2, 2);
    assertThat(mean[0]).containsExactly(new double[] {5 / 8.0, 3 / 8.0}, CLOSE);
    assertThat(mean[1]).containsExactly(new double[] {0.5, 0.5}, CLOSE);
  }

  /**
   * A head of width 4 with q = k = (1, 1, 1, 1) for token 0 and zero for token 1: 4 / sqrt 4 = 2.
   */
  @Test
  void productsAreScaledByTheHeadsWidth() {
    float[] qkv = {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    double[][] mean = AttentionRollout.meanAttention(qkv, 2, 1);
    double weight = Math.exp(2) / (Math.exp(2) + 1);
    assertThat(mean[0]).containsExactly(new double[] {weight, 1 - weight}, CLOSE);
  }

  /**
   * A class token and two patches. Block 1: everyone attends to patch 1 alone, so with the residual
   * [.5 0 .5; 0 .5 .5; 0 0 1]. Block 2: patch 0 attends to patch 0, the others to the class token:
   * [1 0 0; 0 1 0; .5 0 .5]. Second times first: [.5 0 .5; 0 .5 .5; .25 0 .75]. The patches' mean,
   * patch columns only: (0 + .5, .75 + .5) / 2 in the order (patch 0, patch 1) = (.25, .625).
   */
  @Test
  void blocksMultiplyWithTheirResiduals() {
    double[][] first = {{0, 0, 1}, {0, 0, 1}, {0, 0, 1}};
    double[][] second = {{1, 0, 0}, {0, 1, 0}, {1, 0, 0}};
    double[][] flow =
        AttentionRollout.withResidual(second, AttentionRollout.withResidual(first, null));
    assertThat(flow[0]).containsExactly(0.5, 0, 0.5);
    assertThat(flow[1]).containsExactly(0, 0.5, 0.5);
    assertThat(flow[2]).containsExactly(0.25, 0, 0.75);
    assertThat(AttentionRollout.patches(flow, 1)).containsExactly(0.25, 0.625);
  }

  /** A model's own queries and keys are those that its attention used. */
  @Test
  @Tag(TestDevices.EACH)
  void aModelsRolloutIsOfTheSameForwardPass() {
    VitConfig config = new VitConfig(32, 8, 3, 64, 2, 1, 128, true);
    VisionTransformer model =
        new VisionTransformer(config, 2, WeightSource.none(), new Initializer(3), name -> true);
    model.attachLora(LoraTargets.QUERY_VALUE, 2, 32, 0.1f);
    SplittableRandom random = new SplittableRandom(1);
    float[] pixels = new float[32 * 32];
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = (float) random.nextGaussian();
    }
    try (Device device = TestDevices.open(1)) {
      float[] expected;
      double[][] flow = null;
      AttentionRollout.Result result;
      Tape tape = new Tape(device, false);
      Variable image = tape.input(DType.F32, 1, 1, 32, 32);
      List<Variable> blocks = new ArrayList<>();
      Variable logits = tape.keep(model.forward(tape, image, 0, qkv -> blocks.add(tape.keep(qkv))));
      try (MemoryPlan plan = MemoryPlan.of(null, tape)) {
        plan.allocate();
        // Values that the frozen copy can only have from the device.
        model.parameters().stream()
            .filter(p -> p.name().endsWith("lora_B") || p.name().equals("head.weight"))
            .forEach(p -> p.load(filled(p.sizes())));
        image.tensor().upload(HostTensor.of(pixels, pixels.length).data());
        tape.run(0, false);
        expected = logits.tensor().download();
        for (Variable qkv : blocks) {
          flow =
              AttentionRollout.withResidual(
                  AttentionRollout.meanAttention(qkv.tensor().download(), 17, 1), flow);
        }
        try (AttentionRollout rollout = new AttentionRollout(device, model.frozen())) {
          result = rollout.of(pixels);
          assertThat(rollout.of(pixels).relevance()).isEqualTo(result.relevance());
        }
      }
      assertThat(result.logits()[0]).isCloseTo(expected[0], within(1e-5f)).isNotZero();
      assertThat(blocks).hasSize(2);
      assertThat(result.relevance()).containsExactly(AttentionRollout.patches(flow, 1), CLOSE);
      assertThat(result.relevance()).hasSize(16).doesNotContain(0);
      // What is missing to 1 came from the class token.
      assertThat(Arrays.stream(result.relevance()).sum()).isBetween(0.8, 1.0);
      assertThat(device.memory().liveBytes()).isZero();
    }
  }

  private static HostTensor filled(long[] sizes) {
    float[] values = new float[Math.toIntExact(sizes[0] * sizes[1])];
    Arrays.fill(values, 0.03f);
    return HostTensor.of(values, sizes);
  }
}
