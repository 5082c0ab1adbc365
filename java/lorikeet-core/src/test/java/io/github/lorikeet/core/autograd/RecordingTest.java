// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.Lora;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What recording refuses, and how it says so. */
class RecordingTest {
  private final Device device = Device.open("cpu", 1);
  private final Tape tape = new Tape(device, true);

  @AfterEach
  void close() {
    device.close();
  }

  private static Parameter parameter(String name, boolean trained, long... sizes) {
    long elements = 1;
    for (long size : sizes) {
      elements *= size;
    }
    return new Parameter(name, HostTensor.of(new float[(int) elements], sizes), trained);
  }

  private static Linear linear(long n, long k) {
    return new Linear(parameter("w", true, n, k), parameter("b", true, n));
  }

  private Variable f32(long... sizes) {
    return tape.input(DType.F32, sizes);
  }

  private static void refused(ThrowingCallable call, String message) {
    assertThatIllegalArgumentException().isThrownBy(call).withMessage(message);
  }

  @Test
  void layersThatDoNotFit() {
    refused(
        () -> new Linear(parameter("w", true, 3), null), "w f32 [3]: expected [outputs, inputs]");
    refused(
        () -> new Linear(parameter("w", true, 3, 4), parameter("b", true, 4)),
        "b f32 [4]: expected [3], the outputs of w f32 [3, 4]");
    refused(
        () -> new LayerNorm(parameter("g", true, 3), parameter("b", true, 4), 1e-6f),
        "b f32 [4]: expected as many elements as g f32 [3]");
    Parameter g = parameter("g", true, 3);
    refused(() -> new LayerNorm(g, g, 1e-6f), "g f32 [3]: both gamma and beta, expected two");
    refused(() -> new LayerNorm(g, parameter("b", true, 3), -1), "eps -1.0: expected 0 or more");
    refused(() -> parameter("empty", true, 0), "empty f32 [0]: expected at least one element");
  }

  @Test
  void adaptersThatDoNotFit() {
    Parameter a = parameter("a", true, 4, 6);
    Parameter b = parameter("b", true, 8, 2);
    Parameter w = parameter("w", false, 12, 6);
    List<Lora.Group> groups = List.of(new Lora.Group(0, 4), new Lora.Group(8, 4));
    refused(
        () -> new Linear(w, null, new LoraAdapter(a, b, groups, 3, 1, 0)),
        "a f32 [4, 6]: expected [6, 6] beside w f32 [12, 6]");
    refused(
        () -> new Linear(w, null, new LoraAdapter(a, a, groups, 2, 1, 0)),
        "a f32 [4, 6]: expected [8, 2] beside w f32 [12, 6]");
    List<Lora.Group> beyond = List.of(new Lora.Group(0, 4), new Lora.Group(9, 4));
    refused(
        () -> new Linear(w, null, new LoraAdapter(a, b, beyond, 2, 1, 0)),
        "w f32 [12, 6]: LoRA groups " + beyond + " reach beyond its 12 outputs");
    List<Lora.Group> overlapping = List.of(new Lora.Group(0, 4), new Lora.Group(3, 4));
    refused(
        () -> new Linear(w, null, new LoraAdapter(a, b, overlapping, 2, 1, 0)),
        "w f32 [12, 6]: LoRA groups " + overlapping + " do not ascend without overlap");
    refused(() -> new LoraAdapter(a, b, groups, 2, 1, 1), "dropout 1.0: expected 0 <= dropout < 1");
    refused(
        () -> new LoraAdapter(a, b, groups, 2, Float.NaN, 0),
        "alpha NaN: expected a finite number");
    refused(
        () -> new LoraAdapter(a, b, List.of(), 2, 1, 0),
        "rank 2, 0 groups: expected 1 or more of each");
  }

  @Test
  void shapesThatDoNotFit() {
    refused(
        () -> tape.linear(f32(2, 5), linear(3, 4)),
        "variable f32 [2, 5]: expected rows of 4 for w f32 [3, 4]");
    refused(
        () -> tape.linear(f32(2, 4), linear(3, 4), LinearOptions.residual(f32(2, 4), null)),
        "residual: variable f32 [2, 4], expected f32 [2, 3]");
    refused(
        () -> tape.linear(f32(4, 4), linear(4, 4), LinearOptions.residual(f32(4, 4), f32(3))),
        "dropPath: variable f32 [3], expected one scale a sample of 4 rows");
    refused(
        () -> tape.attention(f32(2, 5, 18), 4),
        "variable f32 [2, 5, 18]: expected [batch, tokens, 3 * heads * d] of 4 heads");
    refused(
        () ->
            tape.layerNorm(
                f32(2, 5), new LayerNorm(parameter("g", true, 4), parameter("b", true, 4), 1)),
        "variable f32 [2, 5]: expected rows of 4 for g f32 [4]");
    refused(
        () -> tape.add(f32(2, 3), f32(3, 2)),
        "variable f32 [2, 3] and variable f32 [3, 2]: expected the same type and sizes");
    refused(
        () -> tape.meanPool(f32(2, 3, 4), 3),
        "variable f32 [2, 3, 4]: expected [batch, tokens, k] with more tokens than the 3 left out");
    refused(
        () -> tape.bceWithLogits(f32(2, 3), f32(2, 4)),
        "targets: variable f32 [2, 4], expected the sizes of logits: variable f32 [2, 3]");
    refused(() -> tape.dropPathScales(1, 3), "p 1.0: expected 0 <= p < 1");
  }

  @Test
  void patchesThatDoNotFit() {
    Linear projection = new Linear(parameter("w", true, 5, 3, 2, 2), null);
    refused(
        () -> tape.patchEmbed(f32(2, 3, 4, 5), 2, projection, null, null),
        "variable f32 [2, 3, 4, 5]: expected height and width to be multiples of the patch size 2");
    refused(
        () -> tape.patchEmbed(f32(2, 2, 4, 4), 2, projection, null, null),
        "variable f32 [2, 2, 4, 4]: 2 channels in patches of 2 a side do not make 12 elements");
    refused(
        () -> tape.patchEmbed(f32(2, 4, 4), 2, projection, null, null),
        "variable f32 [2, 4, 4]: expected [batch, channels, height, width]");
    refused(
        () -> tape.patchEmbed(f32(2, 1, 4, 4), 2, projection, parameter("pos", true, 5, 5), null),
        "pos f32 [5, 5]: expected 20 elements");
    refused(
        () -> tape.patchEmbed(f32(2, 1, 4, 4).requireGradient(), 2, projection, null, null),
        "variable f32 [2, 1, 4, 4]: images get no gradient");
  }

  @Test
  void tokensThatDoNotFit() {
    Variable x = f32(2, 5, 4);
    refused(
        () -> tape.tokenGather(x, f32(2, 3)),
        "indices: variable f32 [2, 3], expected i32 [2, s] for variable f32 [2, 5, 4]");
    Variable indices = tape.input(DType.I32, 2, 3);
    Parameter fill = parameter("fill", true, 4);
    refused(
        () -> tape.tokenScatter(x, indices, 9, fill, null),
        "indices: variable i32 [2, 3], expected one for each token of variable f32 [2, 5, 4], of"
            + " 9");
    Variable visible = f32(2, 3, 4);
    refused(
        () -> tape.tokenScatter(visible, indices, 9, parameter("fill", true, 5), null),
        "fill f32 [5]: expected [4]");
    refused(
        () -> tape.tokenScatter(visible, indices, 9, fill, parameter("pos", true, 9, 4)),
        "pos f32 [9, 4]: expected a frozen [9, 4]");
    refused(
        () -> tape.patchMse(visible, f32(2, 1, 4, 4), 2, tape.input(DType.I32, 2, 2), 1e-6f),
        "indices: variable i32 [2, 2], expected one for each patch of variable f32 [2, 3, 4]");
  }

  @Test
  void variablesOfAnotherTape() {
    Variable foreign = new Tape(device, true).input(DType.F32, 2, 3);
    refused(() -> tape.gelu(foreign), "variable f32 [2, 3] is of another tape");
    refused(() -> tape.add(f32(2, 3), foreign), "variable f32 [2, 3] is of another tape");
    assertThatIllegalArgumentException().isThrownBy(() -> tape.keep(foreign));
  }

  @Test
  void backwardPassesThatMakeNoSense() {
    Variable x = f32(2, 3);
    Variable y = tape.linear(x, linear(3, 3));
    refused(() -> tape.backward(y), "variable f32 [2, 3]: expected the output of a loss");
    refused(
        () -> tape.backward(y, f32(2, 4)),
        "variable f32 [2, 4]: expected an input of the shape of variable f32 [2, 3]");
    Variable untrained = tape.bceWithLogits(x, x);
    refused(
        () -> tape.backward(untrained),
        "variable f32 [1]: nothing on this tape that it needs is trained");
    Variable loss = tape.bceWithLogits(y, x);
    tape.backward(loss);
    assertThatIllegalStateException().isThrownBy(() -> tape.backward(loss));
    assertThatIllegalStateException().isThrownBy(x::requireGradient);

    Tape evaluation = new Tape(device, false);
    Variable input = evaluation.input(DType.F32, 2, 3);
    assertThatIllegalStateException().isThrownBy(input::requireGradient);
    Variable output = evaluation.bceWithLogits(evaluation.linear(input, linear(3, 3)), input);
    assertThatIllegalStateException().isThrownBy(() -> evaluation.backward(output));
  }

  @Test
  void aRefusedOperationReadsNothing() {
    Variable h = tape.gelu(f32(2, 3));
    assertThatIllegalArgumentException().isThrownBy(() -> tape.linear(h, linear(3, 4)));
    assertThat(h.uses()).isZero();
    tape.linear(h, linear(4, 3));
    assertThat(h.uses()).isOne();
  }

  @Test
  void recordingEndsWithThePlan() {
    Variable y = tape.linear(f32(2, 3), linear(3, 3));
    assertThatIllegalStateException().isThrownBy(() -> tape.run(0, false));
    MemoryPlan.of(null, tape);
    assertThatIllegalStateException().isThrownBy(() -> tape.gelu(y));
    assertThatIllegalStateException().isThrownBy(() -> f32(1));
    assertThatIllegalStateException().isThrownBy(() -> tape.keep(y));
    assertThatIllegalStateException().isThrownBy(() -> tape.runBackward(false));
  }

  @Test
  void parametersOffTheirPlan() {
    Parameter parameter = parameter("p", true, 2);
    HostTensor other = HostTensor.of(new float[2], 2);
    assertThatIllegalStateException()
        .isThrownBy(() -> parameter.load(other))
        .withMessage("p f32 [2]: its memory plan is not allocated");
  }
}
