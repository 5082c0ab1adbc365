// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.TestDevices;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Steps with 16-bit activations, over the CUDA kernels run on the CPU. */
class HalfPrecisionTest {
  private static final String SCALE = "loss_scale";

  private static Training training(DType type, TinyVit.Mode mode, Optimizer optimizer) {
    return new Training(TestDevices.open("simt:up", 2), type, mode, optimizer, 8);
  }

  private static Training allocated(DType type, TinyVit.Mode mode, Optimizer optimizer) {
    Training training = training(type, mode, optimizer);
    training.plan.allocate();
    return training;
  }

  static List<Arguments> typesAndModes() {
    List<Arguments> all = new ArrayList<>();
    for (DType type : new DType[] {DType.BF16, DType.F16}) {
      for (TinyVit.Mode mode : TinyVit.Mode.values()) {
        all.add(Arguments.of(type, mode));
      }
    }
    return all;
  }

  /** Of step 0, divided by the loss scale. */
  private static Map<String, float[]> gradients(Training training) {
    training.train.fill(0);
    training.train.tape().run(0, false);
    Map<String, float[]> gradients = new LinkedHashMap<>();
    for (Parameter parameter : training.plan.parameters()) {
      if (parameter.trainable()) {
        float[] gradient = parameter.gradient().download();
        for (int i = 0; i < gradient.length; i++) {
          gradient[i] /= training.optimizer.lossScale();
        }
        gradients.put(parameter.name(), gradient);
      }
    }
    return gradients;
  }

  /** The weight is rounded for each step, and its gradient's call reads that copy too. */
  @ParameterizedTest
  @EnumSource(names = {"BF16", "F16"})
  void aTrainedLayerWhoseInputNeedsNoGradient(DType type) {
    float[] values = {1, 2, 3, 4, 5, 6, 7, 8}; // [2, 4], whose products 16 bits hold
    Parameter weight = new Parameter("w", HostTensor.of(new float[16], 4, 4), true);
    try (Device device = TestDevices.open("simt:up", 2)) {
      Tape tape = new Tape(device, true, 0, type);
      Variable x = tape.input(type, 2, 4);
      Variable y = tape.linear(x, new Linear(weight, null));
      Variable dy = tape.input(type, 2, 4);
      tape.backward(y, dy);
      try (MemoryPlan plan = MemoryPlan.of(new Sgd(0), tape)) {
        plan.allocate();
        x.tensor().upload(values);
        dy.tensor().upload(values);
        tape.run(0, false);
        float[] expected = new float[16];
        for (int i = 0; i < 16; i++) {
          expected[i] = values[i / 4] * values[i % 4] + values[4 + i / 4] * values[4 + i % 4];
        }
        // Without a loss scale: the gradient that is handed in has the caller's.
        assertThat(weight.gradient().download()).containsExactly(expected);
      }
    }
  }

  private static double distance(float[] a, float[] b) {
    double distance = 0;
    double size = 0;
    for (int i = 0; i < a.length; i++) {
      distance += Math.pow(a[i] - b[i], 2);
      size += Math.pow(b[i], 2);
    }
    return Math.sqrt(distance / size);
  }

  // A number is off by up to 2^-9 in bf16 and an eighth of that in f16, at each of some thirty
  // roundings on its way, and sums over few samples cancel in part.
  @ParameterizedTest
  @MethodSource("typesAndModes")
  void gradientsAreThoseOfF32ButForRounding(DType type, TinyVit.Mode mode) {
    Map<String, float[]> expected;
    try (Training training = new Training(Device.open("cpu", 1), DType.F32, mode, new Sgd(0), 8)) {
      training.plan.allocate();
      expected = gradients(training);
    }
    try (Training training = allocated(type, mode, new Sgd(0))) {
      assertThat(training.optimizer.lossScale()).isEqualTo(type == DType.F16 ? 65536 : 1);
      gradients(training)
          .forEach(
              (name, gradient) ->
                  assertThat(distance(gradient, expected.get(name)))
                      .as(name)
                      .isLessThan(type == DType.F16 ? 0.05 / 8 : 0.05));
    }
  }

  @ParameterizedTest
  @MethodSource("typesAndModes")
  void thePlannedPeakIsTheMeasuredOne(DType type, TinyVit.Mode mode) {
    try (Training training = training(type, mode, new AdamW())) {
      long peak = training.plan.peakBytes();
      training.plan.allocate();
      long blocks = training.plan.rows().size();
      training.step(0);
      training.evaluate();
      assertThat(training.device.memory().peakBytes()).isEqualTo(peak);
      assertThat(training.device.memory().allocations()).isEqualTo(blocks);
    }
  }

  @Test
  void frozenWeightsTakeHalfTheMemory() {
    long[] bytes = new long[2];
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      try (Training training = training(type, TinyVit.Mode.LORA, new Sgd(0))) {
        bytes[type.code()] =
            training.plan.rows().stream()
                .filter(row -> row.name().equals("frozen weights, packed"))
                .mapToLong(MemoryPlan.Row::bytes)
                .sum();
      }
    }
    assertThat(2 * bytes[DType.BF16.code()]).isEqualTo(bytes[DType.F32.code()]);
  }

  // Among it the rounded copies of trained weights.
  @ParameterizedTest
  @EnumSource
  void nothingReadsWhatWasNotWritten(TinyVit.Mode mode) {
    Map<String, int[]> expected;
    float[] logits;
    try (Training training = allocated(DType.BF16, mode, new AdamW())) {
      training.step(0);
      training.step(1);
      logits = training.evaluate();
      expected = training.values();
    }
    try (Training training = allocated(DType.BF16, mode, new AdamW())) {
      training.poison();
      training.step(0);
      training.poison();
      training.step(1);
      training.poison();
      assertThat(training.evaluate()).isEqualTo(logits).doesNotContain(Float.NaN);
      assertThat(training.values()).usingRecursiveComparison().isEqualTo(expected);
    }
  }

  private static void setScale(Training training, float scale, int finiteSteps) {
    Map<String, HostTensor> state = training.optimizer.exportState();
    state.put(SCALE, HostTensor.of(new float[] {scale, finiteSteps}, 2));
    training.optimizer.importState(state);
  }

  @Test
  void gradientsThatOverflowAreLeftOutAndLowerTheScale() {
    try (Training training = allocated(DType.F16, TinyVit.Mode.LORA, new AdamW())) {
      setScale(training, 1 << 24, 5);
      Map<String, int[]> before = training.values();
      training.step(0);
      assertThat(training.values()).usingRecursiveComparison().isEqualTo(before);
      assertThat(training.optimizer.steps()).isZero();
      assertThat(training.optimizer.exportState().get(SCALE).toFloats())
          .containsExactly(1 << 23, 0);
      while (training.optimizer.steps() == 0) {
        training.step(0);
      }
      assertThat(training.values()).usingRecursiveComparison().isNotEqualTo(before);
      assertThat(training.optimizer.lossScale()).isBetween(1024f, (float) (1 << 22));
      assertThat(training.optimizer.gradientNorm()).isBetween(1e-3f, 10f);
    }
  }

  /** At a learning rate of 1 all changes together are as long as the clipped gradients. */
  @Test
  void theScaleChangesNothingButRounding() {
    List<Float> norms = new ArrayList<>();
    for (float scale : new float[] {1024, 8192}) {
      Optimizer clipped = new Sgd(0).clipGradientNorm(1e-3f);
      try (Training training = allocated(DType.F16, TinyVit.Mode.LORA, clipped)) {
        setScale(training, scale, 0);
        List<Parameter> trained = training.plan.trainedParameters();
        List<float[]> before = trained.stream().map(Parameter::download).toList();
        training.train.fill(0);
        training.train.tape().run(0, false);
        clipped.step(1);
        norms.add(clipped.gradientNorm());
        double changed = 0;
        for (int p = 0; p < before.size(); p++) {
          float[] after = trained.get(p).download();
          for (int i = 0; i < after.length; i++) {
            changed += Math.pow(after[i] - before.get(p)[i], 2);
          }
        }
        assertThat(Math.sqrt(changed)).isCloseTo(1e-3, within(1e-6));
      }
    }
    assertThat(norms.get(0)).isGreaterThan(0.01f);
    assertThat(norms.get(1) / norms.get(0)).isBetween(0.999f, 1.001f);
  }

  @Test
  void anImportedScaleGoesOnCounting() {
    try (Training training = allocated(DType.F16, TinyVit.Mode.LORA, new AdamW())) {
      setScale(training, 1 << 16, 1999);
      training.step(0);
      assertThat(training.optimizer.lossScale()).isEqualTo(1 << 17);
    }
  }

  /** Of predictions x W of two of four patches of two images. */
  private static float[] patchMseGradient(DType type, float expectedScale) {
    SplittableRandom random = new SplittableRandom(8);
    Parameter weight =
        new Parameter("w", HostTensor.of(TinyVit.normal(random, 4 * 8, 0, 1), 4, 8), true);
    Optimizer sgd = new Sgd(0);
    try (Device device = TestDevices.open("simt:up", 2)) {
      Tape tape = new Tape(device, true, 0, type);
      Variable x = tape.input(type, 2, 2, 8);
      Variable images = tape.input(DType.F32, 2, 1, 4, 4);
      Variable patches = tape.input(DType.I32, 2, 2);
      Variable prediction = tape.linear(x, new Linear(weight, null));
      tape.backward(tape.patchMse(prediction, images, 2, patches, 1e-6f));
      try (MemoryPlan plan = MemoryPlan.of(sgd, tape)) {
        plan.allocate();
        x.tensor().upload(TinyVit.normal(random, 2 * 2 * 8, 0, 1));
        images.tensor().upload(TinyVit.normal(random, 2 * 4 * 4, 0, 1));
        patches.tensor().upload(new int[] {0, 2, 3, 1});
        tape.run(0, false);
        assertThat(sgd.lossScale()).isEqualTo(expectedScale);
        return weight.gradient().download();
      }
    }
  }

  @Test
  void thePatchLossIsScaled() {
    float[] scaled = patchMseGradient(DType.F16, 65536);
    for (int i = 0; i < scaled.length; i++) {
      scaled[i] /= 65536;
    }
    assertThat(distance(scaled, patchMseGradient(DType.F32, 1))).isLessThan(0.05 / 8);
  }

  @Test
  void aStoppedRunGoesOnToTheSameBits() {
    Map<String, int[]> expected;
    Map<String, HostTensor> values = new LinkedHashMap<>();
    Map<String, HostTensor> state;
    try (Training training = allocated(DType.F16, TinyVit.Mode.LORA, new AdamW())) {
      setScale(training, 1 << 24, 0);
      training.step(0);
      for (Parameter p : training.plan.parameters()) {
        if (p.trainable()) {
          values.put(p.name(), HostTensor.of(p.download(), p.sizes()));
        }
      }
      state = training.optimizer.exportState();
      for (int n = 1; n < 4; n++) {
        training.step(n);
      }
      expected = training.values();
    }
    try (Training training = allocated(DType.F16, TinyVit.Mode.LORA, new AdamW())) {
      training.optimizer.importState(state);
      for (Parameter p : training.plan.parameters()) {
        if (p.trainable()) {
          p.load(values.get(p.name()));
        }
      }
      for (int n = 1; n < 4; n++) {
        training.step(n);
      }
      assertThat(training.values()).usingRecursiveComparison().isEqualTo(expected);
      state.remove(SCALE);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> training.optimizer.importState(state))
          .withMessage("loss_scale: null, expected f32 [2]");
    }
  }

  @Test
  void theScaleDoublesAfterTwoThousandStepsAndEndsAtOne() {
    LossScale scale = new LossScale();
    for (int step = 1; step < 2000; step++) {
      assertThat(scale.overflowed(true)).isFalse();
    }
    assertThat(scale.value()).isEqualTo(65536);
    scale.overflowed(true);
    assertThat(scale.value()).isEqualTo(131072);
    scale.set(LossScale.LARGEST, 1999);
    scale.overflowed(true);
    assertThat(scale.value()).isEqualTo(LossScale.LARGEST);
    scale.set(2, 1999);
    assertThat(scale.overflowed(false)).isTrue();
    assertThat(scale.value()).isEqualTo(1);
    assertThat(scale.finiteSteps()).isZero();
    assertThat(scale.overflowed(false)).as("nothing is left to try").isFalse();
    assertThatIllegalArgumentException().isThrownBy(() -> scale.set(3, 0));
    assertThatIllegalArgumentException().isThrownBy(() -> scale.set(2, 2000));
    assertThatIllegalArgumentException().isThrownBy(() -> scale.set(Float.NaN, 0));
  }

  @Test
  void typesThatDoNotFit() {
    try (Device device = TestDevices.open("simt:up", 1)) {
      Tape tape = new Tape(device, true);
      Variable half = tape.input(DType.BF16, 4, 4);
      Variable full = tape.input(DType.F32, 4, 4);
      HostTensor values = HostTensor.of(new float[16], 4, 4);
      Linear layer = new Linear(new Parameter("w", values, false), null);
      assertThat(tape.linear(half, layer).tensor().type()).isEqualTo(DType.BF16);
      Variable tokens = tape.input(DType.BF16, 2, 3, 4);
      assertThat(tape.meanPool(tokens, 0).tensor().type()).isEqualTo(DType.F32);
      refused(
          () -> tape.linear(full, layer),
          "w f32 [4, 4]: used with bf16 and with f32 activations, expected one type");
      refused(
          () -> tape.linear(half, layer, LinearOptions.residual(full, null)),
          "residual: variable f32 [4, 4], expected bf16 [4, 4]");
      refused(
          () -> tape.add(half, full),
          "variable bf16 [4, 4] and variable f32 [4, 4]: expected the same type and sizes");
      refused(() -> tape.bceWithLogits(half, half), "logits: variable bf16 [4, 4], expected f32");
    }
  }

  private static void refused(ThrowingCallable call, String message) {
    assertThatIllegalArgumentException().isThrownBy(call).withMessage(message);
  }

  @Test
  void theProcessorSaysThatItDoesNotComputeF16() {
    try (Device device = Device.open("cpu", 1)) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> new Tape(device, true, 0, DType.F16))
          .withMessage("f16 activations: device cpu does not compute these, CUDA devices do");
    }
  }
}
