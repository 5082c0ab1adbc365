// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.core.Lora;
import io.github.lorikeet.core.TestDevices;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every operation's gradients, and how operations join, against finite differences. */
@Tag(TestDevices.EACH)
class GradientTest {
  private final GradientCheck check = new GradientCheck();
  private final Tape tape = check.tape;

  @AfterEach
  void close() {
    check.close();
  }

  private Linear trained(String name, long n, long k) {
    double deviation = 1 / Math.sqrt(k);
    return new Linear(
        check.trained(name + ".weight", deviation, n, k), check.trained(name + ".bias", 0.5, n));
  }

  private Linear frozen(String name, long n, long k) {
    double deviation = 1 / Math.sqrt(k);
    return new Linear(
        check.frozen(name + ".weight", deviation, n, k), check.frozen(name + ".bias", 0.5, n));
  }

  /** Two groups: the first k and the last k of 3 k columns. */
  private LoraAdapter lora(boolean trained, long k, int rank, float dropout) {
    return new LoraAdapter(
        check.parameter("lora_A", trained, 0, 1 / Math.sqrt(k), 2L * rank, k),
        check.parameter("lora_B", trained, 0, 0.5, 2 * k, rank),
        List.of(new Lora.Group(0, k), new Lora.Group(2 * k, k)),
        rank,
        2 * rank,
        dropout);
  }

  @Test
  void linear() {
    Variable y = tape.linear(check.input(2, 3, 7), trained("fc", 5, 7));
    assertThat(check.check(y))
        .containsExactly("input variable f32 [2, 3, 7]", "fc.weight", "fc.bias");
  }

  @Test
  void frozenLinearPassesTheGradientOn() {
    Variable y = tape.linear(check.input(6, 7), frozen("fc", 5, 7));
    assertThat(check.check(y)).containsExactly("input variable f32 [6, 7]");
  }

  @Test
  void linearWithoutBiasOfAConstant() {
    Linear layer = new Linear(check.trained("fc.weight", 0.4, 5, 7), null);
    assertThat(check.check(tape.linear(check.constant(6, 7), layer))).containsExactly("fc.weight");
  }

  @Test
  void onlyTheBiasIsTrained() {
    Linear layer = new Linear(check.frozen("w", 0.4, 5, 7), check.trained("b", 0.5, 5));
    assertThat(check.check(tape.linear(check.constant(6, 7), layer))).containsExactly("b");
  }

  @Test
  void linearWithGeluResidualAndDropPath() {
    Variable scales = tape.dropPathScales(0.3f, 6);
    LinearOptions options = new LinearOptions(true, check.input(6, 2, 5), scales);
    check.check(tape.linear(check.input(6, 2, 7), trained("fc", 5, 7), options));
  }

  @Test
  void onlyTheResidualNeedsAGradient() {
    Variable residual = check.input(6, 5);
    LinearOptions options = LinearOptions.residual(residual, null);
    Variable y = tape.linear(check.constant(6, 7), frozen("fc", 5, 7), options);
    assertThat(check.check(y)).containsExactly("input variable f32 [6, 5]");
  }

  @Test
  void residualAndInputAreTheSame() {
    Variable x = check.input(6, 5);
    check.check(tape.linear(x, trained("fc", 5, 5), LinearOptions.residual(x, null)));
  }

  /** Nothing keeps h for later, so that only the call itself still needs it while it writes y. */
  @Test
  void residualAndInputOfAFrozenLayerAreTheSame() {
    Variable h = tape.gelu(check.input(6, 5));
    check.check(tape.linear(h, frozen("fc", 5, 5), LinearOptions.residual(h, null)));
  }

  @ParameterizedTest
  @ValueSource(floats = {0, 0.4f})
  void loraLinear(float dropout) {
    Linear base = frozen("qkv", 15, 5);
    Linear layer = new Linear(base.weight(), base.bias(), lora(true, 5, 3, dropout));
    Variable y = tape.linear(check.input(2, 4, 5), layer);
    assertThat(check.check(y)).containsExactly("input variable f32 [2, 4, 5]", "lora_A", "lora_B");
  }

  @Test
  void loraLinearWithEverythingTrainedAndEveryOption() {
    Linear base = trained("qkv", 15, 5);
    Linear layer = new Linear(base.weight(), base.bias(), lora(true, 5, 3, 0.4f));
    Variable scales = tape.dropPathScales(0.3f, 6);
    LinearOptions options = new LinearOptions(true, check.input(6, 2, 15), scales);
    check.check(tape.linear(check.input(6, 2, 5), layer, options));
  }

  @Test
  void frozenLoraPassesTheGradientOn() {
    Linear base = frozen("qkv", 15, 5);
    Linear layer = new Linear(base.weight(), base.bias(), lora(false, 5, 3, 0.4f));
    Variable y = tape.linear(check.input(2, 4, 5), layer);
    assertThat(check.check(y)).containsExactly("input variable f32 [2, 4, 5]");
  }

  @ParameterizedTest
  @CsvSource({"1, 3, 1, 8", "2, 7, 2, 4"})
  void attention(int batch, int tokens, int heads, int d) {
    check.check(tape.attention(check.input(batch, tokens, 3L * heads * d), heads));
  }

  @Test
  void layerNorm() {
    Variable y = tape.layerNorm(check.input(2, 3, 8), check.layerNorm("norm", true, 8));
    assertThat(check.check(y)).hasSize(3);
  }

  @Test
  void frozenLayerNormPassesTheGradientOn() {
    check.check(tape.layerNorm(check.input(2, 3, 8), check.layerNorm("norm", false, 8)));
  }

  @Test
  void layerNormOfAConstant() {
    Variable y = tape.layerNorm(check.constant(2, 3, 8), check.layerNorm("norm", true, 8));
    assertThat(check.check(y)).containsExactly("norm.weight", "norm.bias");
  }

  @Test
  void gelu() {
    check.check(tape.gelu(check.input(3, 9)));
  }

  @Test
  void addOfTwoInputsAndOfOneTwice() {
    Variable a = check.input(3, 4);
    Variable b = check.input(3, 4);
    Variable sum = tape.add(a, b);
    check.check(tape.add(tape.add(sum, sum), tape.gelu(b)));
  }

  @ParameterizedTest
  @CsvSource({"1, true", "3, true", "3, false"})
  void patchEmbed(int channels, boolean classToken) {
    Linear projection =
        new Linear(
            check.trained("proj.weight", 0.3, 6, 3, 2, 2), check.trained("proj.bias", 0.5, 6));
    int tokens = classToken ? 7 : 6;
    Variable y =
        tape.patchEmbed(
            check.constant(2, channels, 4, 6),
            2,
            projection,
            check.trained("pos_embed", 0.5, 1, tokens, 6),
            classToken ? check.trained("cls_token", 0.5, 1, 1, 6) : null);
    assertThat(y.sizes()).containsExactly(2, tokens, 6);
    assertThat(check.check(y)).hasSize(classToken ? 4 : 3);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 4})
  void meanPool(int firstToken) {
    check.check(tape.meanPool(check.input(2, 5, 6), firstToken));
  }

  @Test
  void tokenGatherAndScatter() {
    Variable indices = check.indices(new int[] {4, 0, 2, 3, 1, 0}, 2, 3);
    Variable visible = tape.tokenGather(check.input(2, 5, 4), indices);
    Variable all =
        tape.tokenScatter(
            visible,
            indices,
            5,
            check.trained("mask_token", 1, 1, 1, 4),
            check.frozen("pos", 1, 5, 4));
    assertThat(check.check(all)).contains("mask_token").hasSize(2);
  }

  @Test
  void tokenScatterOfAConstant() {
    Variable indices = check.indices(new int[] {4, 0, 2, 3, 1, 0}, 2, 3);
    Parameter fill = check.trained("mask_token", 1, 4);
    check.check(tape.tokenScatter(check.constant(2, 3, 4), indices, 5, fill, null));
  }

  @Test
  void bceWithLogits() {
    Variable targets = check.constant(new float[] {0, 1, 1, 0, 0.3f, 1}, 2, 3);
    check.check(tape.bceWithLogits(check.input(2, 3), targets));
  }

  @Test
  void patchMse() {
    Variable indices = check.indices(new int[] {5, 1, 0, 4}, 2, 2);
    Variable images = check.constant(2, 1, 4, 6);
    check.check(tape.patchMse(check.input(2, 2, 12), images, 2, indices, 1e-6f));
  }

  @Test
  void geluIsFusedIntoTheLayerBehind() {
    Variable hidden = tape.linear(check.input(6, 4), trained("fc1", 8, 4), LinearOptions.GELU);
    check.check(tape.linear(hidden, trained("fc2", 4, 8)));
  }

  @Test
  void geluOnItsOwnIsFusedIntoTheLayerBehind() {
    Variable x = check.input(6, 8);
    Variable hidden = tape.gelu(x);
    check.check(tape.add(x, tape.linear(hidden, frozen("fc2", 8, 8))));
  }

  @Test
  void geluWithTwoUsersIsNotFused() {
    Variable hidden = tape.linear(check.input(6, 4), trained("fc1", 4, 4), LinearOptions.GELU);
    Variable a = tape.layerNorm(hidden, check.layerNorm("norm", true, 4));
    check.check(tape.linear(hidden, trained("fc2", 4, 4), LinearOptions.residual(a, null)));
  }

  @Test
  void geluBehindAResidualIsNotFused() {
    Variable x = check.input(6, 4);
    LinearOptions options = new LinearOptions(true, x, null);
    check.check(tape.linear(tape.linear(x, trained("fc1", 4, 4), options), trained("fc2", 4, 4)));
  }

  @Test
  void oneVariableWithManyUsers() {
    Variable x = check.input(2, 3, 6);
    Variable normed = tape.layerNorm(x, check.layerNorm("norm", true, 6));
    Variable a = tape.linear(x, trained("fc1", 6, 6), LinearOptions.residual(x, null));
    Variable b = tape.linear(x, trained("fc2", 6, 6), LinearOptions.residual(normed, null));
    check.check(tape.add(tape.add(a, x), tape.add(b, tape.gelu(x))));
  }

  @Test
  void gradientsThatVariablesShareAreNotAddedToInPlace() {
    Variable x = check.input(4, 6);
    Variable a = tape.linear(x, trained("fc1", 6, 6));
    Variable b = tape.linear(x, trained("fc2", 6, 6));
    Variable normed = tape.layerNorm(a, check.layerNorm("norm", true, 6));
    check.check(tape.gelu(tape.add(tape.add(a, b), normed)));
  }

  @Test
  void oneParameterWithManyUsers() {
    Linear shared = trained("shared", 6, 6);
    Linear unbiased = new Linear(shared.weight(), null);
    Linear other = new Linear(shared.weight(), check.trained("other.bias", 0.5, 6));
    Variable x = tape.linear(check.input(4, 6), unbiased);
    check.check(tape.linear(tape.linear(x, other), shared));
  }

  @ParameterizedTest
  @EnumSource
  void visionTransformer(TinyVit.Mode mode) {
    TinyVit.Step step = new TinyVit(mode).record(tape, 6);
    check.fill(step.images());
    check.fill(step.targets(), new float[] {1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0});
    int adapters = 2 * TinyVit.DEPTH;
    int perBlock = 12;
    assertThat(check.check(step.loss()))
        .hasSize(
            switch (mode) {
              case LORA -> adapters + 4;
              case EVERYTHING -> 4 + perBlock * TinyVit.DEPTH + 4;
              case HEAD -> 4;
            });
  }

  @Test
  void nothingIsRecordedForWhatTheOutputDoesNotNeed() {
    Variable x = check.input(4, 6);
    Variable aside = tape.linear(x, frozen("aside", 3, 6));
    assertThat(aside.requiresGradient()).isTrue();
    assertThat(check.check(tape.gelu(x))).hasSize(1);
  }
}
