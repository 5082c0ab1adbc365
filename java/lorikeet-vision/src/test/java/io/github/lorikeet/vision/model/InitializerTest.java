// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.core.autograd.Parameter;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Starting values beside the moments of their distributions. */
class InitializerTest {
  private static final VitConfig CONFIG = new VitConfig(32, 8, 3, 192, 2, 3, 64, true);

  private static float[] parameter(VisionTransformer model, String name) {
    return parameter(model.parameters(), name);
  }

  private static float[] parameter(Collection<Parameter> parameters, String name) {
    return parameters.stream()
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

  /** Glorot's bound is sqrt(6 / (inputs + outputs)): deviations of sqrt(2 / (inputs + outputs)). */
  @ParameterizedTest
  @CsvSource({
    "blocks.0.attn.qkv.weight, 192, 576",
    "blocks.0.mlp.fc1.weight, 192, 64",
    "patch_embed.proj.weight, 192, 192", // of 3 channels, 8 x 8
  })
  void layersAreXavierUniform(String name, int inputs, int outputs) {
    double deviation = Math.sqrt(2.0 / (inputs + outputs));
    float[] values = parameter(model(1), name);
    assertThat(values).hasSize(inputs * outputs);
    hasMoments(values, deviation, deviation * Math.sqrt(3) * 1.0001);
  }

  @Test
  void tokensAndLearnedPositionsAreTruncatedNormal() {
    for (String name : List.of("cls_token", "pos_embed")) {
      hasMoments(parameter(model(1), name), 0.87963 * 0.02, 2 * 0.02);
    }
    MaskedAutoencoder autoencoder =
        new MaskedAutoencoder(CONFIG, new MaskedAutoencoder.Decoder(256, 1, 4), new Initializer(1));
    for (String name : List.of("cls_token", "mask_token")) {
      hasMoments(parameter(autoencoder.parameters(), name), 0.87963 * 0.02, 2 * 0.02);
    }
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
