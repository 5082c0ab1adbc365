// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Starting values beside the moments of their distributions. */
class InitializerTest {
  private static final VitConfig CONFIG = new VitConfig(32, 8, 3, 192, 2, 3, 64, true);

  private static float[] parameter(VisionTransformer model, String name) {
    return model.parameters().stream()
        .filter(parameter -> parameter.name().equals(name))
        .findFirst()
        .orElseThrow()
        .initial()
        .toFloats();
  }

  private static VisionTransformer model(long seed) {
    VisionTransformer model =
        new VisionTransformer(
            CONFIG, 100, WeightSource.none(), new Initializer(seed), name -> true);
    model.attachLora(LoraTargets.QUERY_VALUE, 8, 32, 0.1f);
    return model;
  }

  private static void hasMoments(float[] values, double deviation, double bound) {
    double sum = 0;
    double squares = 0;
    for (float value : values) {
      assertThat((double) value).isBetween(-bound, bound);
      sum += value;
      squares += (double) value * value;
    }
    double tolerance = 4 * deviation / Math.sqrt(values.length);
    assertThat(sum / values.length).isCloseTo(0, within(tolerance));
    assertThat(Math.sqrt(squares / values.length)).isCloseTo(deviation, within(tolerance));
  }

  @Test
  void headIsTruncatedNormalAndItsBiasZero() {
    // Cut off at two deviations, 1 - 4 phi(2) / (2 Phi(2) - 1) = 1 - 4 * .053991 / .954500 = .77374
    // of the variance is left, .87963 of the deviation.
    hasMoments(parameter(model(1), "head.weight"), 0.87963 * 2e-5, 2 * 2e-5);
    assertThat(parameter(model(1), "head.bias")).containsOnly(0);
  }

  @Test
  void adaptersAreKaimingUniformAndZero() {
    // Kaiming's bound for a = sqrt(5): sqrt(6 / ((1 + 5) * 192)) = 1 / sqrt(192); the deviation of
    // a uniform distribution is its bound over sqrt(3).
    double bound = 1 / Math.sqrt(192);
    hasMoments(
        parameter(model(1), "blocks.1.attn.qkv.lora_A"), bound / Math.sqrt(3), bound * 1.0001);
    assertThat(parameter(model(1), "blocks.1.attn.qkv.lora_B"))
        .hasSize(2 * 192 * 8)
        .containsOnly(0);
  }

  @Test
  void seedAndNameDecide() {
    String a = "blocks.0.attn.qkv.lora_A";
    assertThat(parameter(model(1), a)).containsExactly(parameter(model(1), a));
    assertThat(parameter(model(2), a)).isNotEqualTo(parameter(model(1), a));
    assertThat(parameter(model(1), "blocks.1.attn.qkv.lora_A"))
        .isNotEqualTo(parameter(model(1), a));
  }

  /** Runs of several seeds say how much chance decides only if they share no numbers. */
  @Test
  void neighbouringSeedsHaveNothingInCommon() {
    Set<Float> first = values(0);
    for (long seed = 1; seed < 4; seed++) {
      Set<Float> common = values(seed);
      common.retainAll(first);
      assertThat(common).as("seed " + seed).hasSizeLessThan(10);
    }
  }

  private static Set<Float> values(long seed) {
    Set<Float> values = new HashSet<>();
    for (float value : new Initializer(seed).uniform("head.weight", 1000, 1)) {
      values.add(value);
    }
    return values;
  }
}
