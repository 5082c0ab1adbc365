// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.Lora;
import io.github.lorikeet.core.autograd.Linear;
import io.github.lorikeet.core.autograd.LoraAdapter;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.weights.Checkpoint;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Attention and the fused LoRA linear, through the tape, against values computed independently. */
@Tag(TestDevices.EACH)
class GoldenOperationsTest {
  private static final double VALUES = 1e-5;
  private static final double GRADIENTS = 2e-5;

  @ParameterizedTest
  @CsvSource({"64, 5", "64, 50", "64, 197", "32, 17"})
  void attention(int d, int tokens) {
    int heads = 2;
    String name = "d" + d + ".n" + tokens + ".";
    try (Checkpoint golden = Checkpoint.open(Goldens.file("ops/attention.safetensors"));
        Device device = TestDevices.open(2)) {
      Tape tape = new Tape(device, true);
      Variable qkv = tape.input(DType.F32, 1, tokens, 3L * heads * d).requireGradient();
      Variable dOut = tape.input(DType.F32, 1, tokens, (long) heads * d);
      Variable out = tape.keep(tape.attention(qkv, heads));
      tape.backward(out, dOut);
      try (MemoryPlan plan = MemoryPlan.of(null, tape)) {
        plan.allocate();
        qkv.tensor().upload(packed(golden, name, List.of("q", "k", "v"), heads, tokens, d));
        dOut.tensor().upload(packed(golden, name, List.of("do"), heads, tokens, d));
        tape.run(0, false);
        assertClose(
            "out",
            out.tensor().download(),
            packed(golden, name, List.of("o"), heads, tokens, d),
            VALUES);
        assertClose(
            "d_qkv",
            qkv.gradient().download(),
            packed(golden, name, List.of("dq", "dk", "dv"), heads, tokens, d),
            GRADIENTS);
      }
    }
  }

  /** Tensors [1, heads, tokens, d] as [tokens, parts, heads, d]. */
  private static float[] packed(
      Checkpoint golden, String name, List<String> parts, int heads, int tokens, int d) {
    float[] result = new float[parts.size() * heads * tokens * d];
    for (int p = 0; p < parts.size(); p++) {
      float[] part = golden.require(name + parts.get(p), 1, heads, tokens, d).toFloats();
      for (int h = 0; h < heads; h++) {
        for (int t = 0; t < tokens; t++) {
          int to = ((t * parts.size() + p) * heads + h) * d;
          System.arraycopy(part, (h * tokens + t) * d, result, to, d);
        }
      }
    }
    return result;
  }

  @ParameterizedTest
  @CsvSource({"64, 1, 4", "64, 50, 4", "128, 33, 16"})
  void loraOnMergedQueryKeyValue(int width, int rows, int rank) {
    String name = "d" + width + ".m" + rows + ".r" + rank + ".";
    try (Checkpoint golden = Checkpoint.open(Goldens.file("ops/lora_qkv.safetensors"));
        Device device = TestDevices.open(2)) {
      LoraAdapter lora = queryValueAdapter(golden, name, width, rank, 32);
      Tape tape = new Tape(device, true);
      Variable x = tape.input(DType.F32, rows, width).requireGradient();
      Variable dy = tape.input(DType.F32, rows, 3L * width);
      Linear layer = new Linear(frozen(golden, name, "weight"), frozen(golden, name, "bias"), lora);
      Variable y = tape.keep(tape.linear(x, layer));
      tape.backward(y, dy);
      try (MemoryPlan plan = MemoryPlan.of(null, tape)) {
        plan.allocate();
        x.tensor().upload(golden.require(name + "x").toFloats());
        dy.tensor().upload(golden.require(name + "dy").toFloats());
        tape.run(0, false);
        assertLora(golden, name, y, x.gradient().download(), lora);
      }
    }
  }

  /**
   * With the file's own dropout mask, where the kernels would draw theirs: y is the frozen layer of
   * x, and of mask ∘ x the adapter alone, scaled up for what was dropped.
   */
  @ParameterizedTest
  @CsvSource({"64, 1, 4", "64, 50, 4", "128, 33, 16"})
  void loraWithAGivenDropoutMask(int width, int rows, int rank) {
    String name = "d" + width + ".m" + rows + ".r" + rank + ".";
    try (Checkpoint golden = Checkpoint.open(Goldens.file("ops/lora_qkv.safetensors"));
        Device device = TestDevices.open(2)) {
      float[] mask = golden.require(name + "mask").toFloats();
      LoraAdapter lora = queryValueAdapter(golden, name, width, rank, 32 / 0.9);
      HostTensor zero = HostTensor.of(new float[3 * width * width], 3L * width, width);
      Tape tape = new Tape(device, true);
      Variable x = tape.input(DType.F32, rows, width).requireGradient();
      Variable kept = tape.input(DType.F32, rows, width).requireGradient();
      Variable dy = tape.input(DType.F32, rows, 3L * width);
      Linear layer = new Linear(frozen(golden, name, "weight"), frozen(golden, name, "bias"));
      Linear alone = new Linear(new Parameter("zero", zero, false), null, lora);
      Variable y = tape.keep(tape.add(tape.linear(x, layer), tape.linear(kept, alone)));
      tape.backward(y, dy);
      try (MemoryPlan plan = MemoryPlan.of(null, tape)) {
        plan.allocate();
        x.tensor().upload(golden.require(name + "x").toFloats());
        kept.tensor().upload(product(mask, golden.require(name + "x").toFloats()));
        dy.tensor().upload(golden.require(name + "dy").toFloats());
        tape.run(0, false);
        float[] dx = product(mask, kept.gradient().download());
        float[] frozenDx = x.gradient().download();
        for (int i = 0; i < dx.length; i++) {
          dx[i] += frozenDx[i];
        }
        assertLora(golden, name + "masked.", y, dx, lora);
      }
    }
  }

  private static Parameter frozen(Checkpoint golden, String name, String part) {
    return new Parameter(part, golden.require(name + part), false);
  }

  private static LoraAdapter queryValueAdapter(
      Checkpoint golden, String name, int width, int rank, double alpha) {
    return new LoraAdapter(
        new Parameter("a", golden.require(name + "lora_A"), true),
        new Parameter("b", golden.require(name + "lora_B"), true),
        List.of(new Lora.Group(0, width), new Lora.Group(2L * width, width)),
        rank,
        alpha,
        0);
  }

  private static float[] product(float[] mask, float[] values) {
    float[] result = new float[values.length];
    for (int i = 0; i < result.length; i++) {
      result[i] = mask[i] * values[i];
    }
    return result;
  }

  private static void assertLora(
      Checkpoint golden, String name, Variable y, float[] dx, LoraAdapter lora) {
    assertClose("y", y.tensor().download(), golden.require(name + "y"), VALUES);
    assertClose("dx", dx, golden.require(name + "dx"), GRADIENTS);
    assertClose("da", lora.a().gradient().download(), golden.require(name + "dlora_A"), GRADIENTS);
    assertClose("db", lora.b().gradient().download(), golden.require(name + "dlora_B"), GRADIENTS);
  }

  private static void assertClose(
      String what, float[] actual, HostTensor expected, double relative) {
    assertClose(what, actual, expected.toFloats(), relative);
  }

  /** The largest error, relative to the largest value. */
  private static void assertClose(String what, float[] actual, float[] expected, double relative) {
    assertThat(actual).as(what).hasSameSizeAs(expected);
    double error = 0;
    double largest = 0;
    for (int i = 0; i < expected.length; i++) {
      error = Math.max(error, Math.abs((double) actual[i] - expected[i]));
      largest = Math.max(largest, Math.abs(expected[i]));
    }
    assertThat(error).as(what).isLessThan(relative * largest);
  }
}
