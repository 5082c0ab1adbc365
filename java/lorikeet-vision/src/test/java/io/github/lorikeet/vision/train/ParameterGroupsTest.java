// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.autograd.Parameter;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The study's layer-wise decay for ViT-B: .65^(13 - i), and decay of matrices alone. */
class ParameterGroupsTest {

  @ParameterizedTest
  @CsvSource({
    // .65^13 for the embeddings, .65^12 for block 0, .65^1 for block 11, 1 above.
    "cls_token, 3, 0.003697205891, 0",
    "pos_embed, 3, 0.003697205891, 0",
    "patch_embed.proj.weight, 4, 0.003697205891, 0.05",
    "patch_embed.proj.bias, 1, 0.003697205891, 0",
    "blocks.0.attn.qkv.weight, 2, 0.005688009063, 0.05",
    "blocks.0.attn.qkv.lora_A, 2, 0.005688009063, 0.05",
    "blocks.0.norm1.weight, 1, 0.005688009063, 0",
    "blocks.1.mlp.fc1.weight, 2, 0.008750783174, 0.05",
    "blocks.10.attn.proj.weight, 2, 0.4225, 0.05",
    "blocks.11.mlp.fc2.bias, 1, 0.65, 0",
    "blocks.11.attn.qkv.lora_B, 2, 0.65, 0.05",
    "fc_norm.weight, 1, 1, 0",
    "head.weight, 2, 1, 0.05",
    "head.bias, 1, 1, 0",
  })
  void scalesAndDecays(String name, int rank, double scale, double decay) {
    long[] sizes = new long[rank];
    Arrays.fill(sizes, 1);
    Parameter parameter = new Parameter(name, HostTensor.of(new float[1], sizes), true);
    ParameterGroups.apply(List.of(parameter), 12, 0.05, 0.65);
    assertThat((double) parameter.learningRateScale())
        .isCloseTo(scale, within(1e-9 + scale * 1e-6));
    assertThat(parameter.weightDecay()).isEqualTo((float) decay);
  }
}
