// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.LorikeetException;
import io.github.lorikeet.core.MemoryInfo;
import io.github.lorikeet.core.Status;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.TestDevices;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag(TestDevices.EACH)
class MemoryPlanTest {
  private static final String PACKED = "frozen weights, packed";
  private static final String ACTIVATIONS = "activations and workspace";

  private static Map<String, Long> rows(MemoryPlan plan) {
    return plan.rows().stream()
        .collect(Collectors.toMap(MemoryPlan.Row::name, MemoryPlan.Row::bytes));
  }

  @ParameterizedTest
  @EnumSource
  void thePlannedPeakIsTheMeasuredOne(TinyVit.Mode mode) {
    try (Training training = new Training(2, mode, new AdamW().clipGradientNorm(1))) {
      Device device = training.device;
      assertThat(device.memory()).isEqualTo(new MemoryInfo(0, 0, 0, 0));
      long peak = training.plan.peakBytes();
      training.plan.allocate();
      long blocks = training.plan.rows().size();
      for (int n = 0; n < 3; n++) {
        training.step(n);
        training.evaluate();
        assertThat(device.memory()).isEqualTo(new MemoryInfo(peak, peak, blocks, blocks));
      }
      training.plan.close();
      training.plan.close();
      assertThat(device.memory()).isEqualTo(new MemoryInfo(0, peak, 0, blocks));
    }
  }

  @Test
  void rowsAreWhatTheModelNeeds() {
    try (Training training = new Training(1, TinyVit.Mode.LORA, new AdamW())) {
      MemoryPlan plan = training.plan;
      long trained = 0;
      long plain = 0;
      long matrices = 0;
      for (Parameter p : plan.parameters()) {
        long bytes = (4 * p.elements() + 63) / 64 * 64;
        if (p.trainable()) {
          trained += bytes;
        } else if (p.isPacked()) {
          matrices += bytes;
        } else {
          plain += bytes;
        }
      }
      assertThat(plan.trainedParameterCount())
          .isEqualTo(TinyVit.DEPTH * TinyVit.RANK * 4L * TinyVit.WIDTH + 2 * 8 + 3 * 8 + 3);
      assertThat(plan.parameterCount()).isGreaterThan(plan.trainedParameterCount());
      long evaluated = Training.SAMPLES * 5 / 4;
      Map<String, Long> rows = rows(plan);
      assertThat(rows)
          .containsEntry("trained weights", trained)
          .containsEntry("gradients", trained)
          .containsEntry("optimiser state", 2 * trained)
          .containsEntry("frozen weights, plain", plain)
          .containsEntry("inputs", evaluated * 64 * 4 + (evaluated * 3 * 4 + 63) / 64 * 64);
      assertThat(rows.get(PACKED)).isBetween(matrices, 10 * matrices);
      assertThat(rows.values().stream().mapToLong(Long::longValue).sum())
          .isEqualTo(plan.peakBytes());
      assertThat(plan.toString()).contains(PACKED, "peak").endsWith(System.lineSeparator());
    }
  }

  @Test
  void sgdKeepsOneMoment() {
    try (Training training = new Training(1, TinyVit.Mode.LORA, new Sgd(0.9f))) {
      Map<String, Long> rows = rows(training.plan);
      assertThat(rows.get("optimiser state")).isEqualTo(rows.get("trained weights"));
    }
  }

  @Test
  void aFrozenWeightIsOnTheDeviceOnceAndPacked() {
    try (Training training = Training.allocated(1, TinyVit.Mode.LORA, new Sgd(0.9f))) {
      for (Parameter p : training.plan.parameters()) {
        boolean matrix = p.sizes().length == 2 && !p.trainable();
        if (matrix) {
          assertThat(p.isPacked()).isTrue();
          assertThat(p.value()).isNull();
        } else if (p.trainable()) {
          assertThat(p.isPacked()).isFalse();
          assertThat(p.gradient().sizes()).isEqualTo(p.sizes());
        }
        assertThat(p.download()).isEqualTo(p.initial().toFloats());
      }
    }
  }

  @Test
  void everythingTrainedIsNotPacked() {
    try (Training training = new Training(1, TinyVit.Mode.EVERYTHING, new Sgd(0.9f))) {
      assertThat(rows(training.plan)).doesNotContainKeys(PACKED, "frozen weights, plain");
    }
  }

  private static long activations(TinyVit.Mode mode, boolean training, long samples) {
    try (Device device = TestDevices.open(1)) {
      TinyVit.Step step = new TinyVit(mode).record(new Tape(device, training), samples);
      if (training) {
        step.tape().backward(step.loss());
      }
      return rows(MemoryPlan.of(null, step.tape())).get(ACTIVATIONS);
    }
  }

  @Test
  void onlyWhatABackwardCallReadsIsSaved() {
    // So many that the kernels' workspaces, which do not grow with them, hardly count.
    long samples = 8192;
    long tokens = 4 * samples * TinyVit.TOKENS * TinyVit.WIDTH;
    long inference = activations(TinyVit.Mode.LORA, false, samples);
    long head = activations(TinyVit.Mode.HEAD, true, samples);
    long lora = activations(TinyVit.Mode.LORA, true, samples);
    long everything = activations(TinyVit.Mode.EVERYTHING, true, samples);
    // A linear probe holds nothing of the blocks while it runs backwards.
    assertThat(head - inference).isLessThan(tokens);
    // With adapters a block holds, in units of tokens: its input 1, qkv 3, LoRA's h 1/2,
    // attention's output 1, the stream between 1, fc1's output before GELU 2, and statistics of
    // rows 3/4; norm1's output is made again. Beside that only what a few calls need lives.
    assertThat(lora).isBetween(9 * TinyVit.DEPTH * tokens, (9 * TinyVit.DEPTH + 9) * tokens);
    // Trained as a whole it holds the same but h: norm2's output and GELU's are made again, too.
    assertThat(everything - lora).isBetween(-TinyVit.DEPTH * tokens, 0L);
  }

  @Test
  void tapesShareTheLargestArena() {
    try (Device device = TestDevices.open(1)) {
      TinyVit model = new TinyVit(TinyVit.Mode.LORA);
      TinyVit.Step small = model.record(new Tape(device, false), 100);
      TinyVit.Step large = model.record(new Tape(device, false), 200);
      long both = rows(MemoryPlan.of(null, small.tape(), large.tape())).get(ACTIVATIONS);
      assertThat(both).isEqualTo(rows(MemoryPlan.of(null, large.tape())).get(ACTIVATIONS));
      assertThat(both).isGreaterThan(rows(MemoryPlan.of(null, small.tape())).get(ACTIVATIONS));
    }
  }

  @Test
  void theArenaIsAtLeastTheLargestWeightToPack() {
    try (Device device = TestDevices.open(1)) {
      Parameter weight = new Parameter("w", HostTensor.of(new float[64 * 1000], 64, 1000), false);
      Tape tape = new Tape(device, false);
      tape.linear(tape.input(DType.F32, 1, 1000), new Linear(weight, null));
      try (MemoryPlan plan = MemoryPlan.of(null, tape)) {
        assertThat(rows(plan).get(ACTIVATIONS)).isGreaterThanOrEqualTo(64 * 1000 * 4);
        plan.allocate();
        assertThat(device.memory().peakBytes()).isEqualTo(plan.peakBytes());
      }
    }
  }

  @Test
  void aFailedAllocationLeavesNothingBehind() {
    Map<String, int[]> expected;
    try (Training training = Training.allocated(1, TinyVit.Mode.LORA, new Sgd(0.9f))) {
      training.step(0);
      expected = training.values();
    }
    try (Training training = new Training(1, TinyVit.Mode.LORA, new Sgd(0.9f))) {
      for (int i = 1; i <= training.plan.rows().size(); i++) {
        training.device.failAllocation(i);
        assertThatExceptionOfType(LorikeetException.class)
            .isThrownBy(training.plan::allocate)
            .withMessageStartingWith("device " + TestDevices.name() + " of ")
            .withMessageContaining("allocate: " + TestDevices.name() + ": no block of ")
            .withMessageEndingWith(training.plan.toString().stripTrailing())
            .matches(e -> e.status() == Status.OUT_OF_MEMORY);
        assertThat(training.device.memory().liveBytes()).isZero();
        assertThat(training.device.memory().liveBlocks()).isZero();
        assertThatIllegalStateException().isThrownBy(() -> training.train.tape().run(0, false));
      }
      training.plan.allocate();
      training.step(0);
      assertThat(training.values()).usingRecursiveComparison().isEqualTo(expected);
    }
  }

  @Test
  void gradientsAndMomentsStartAtZero() {
    try (Training training = new Training(1, TinyVit.Mode.LORA, new AdamW())) {
      // What was freed last is likely to be given out next: let it not be zeros.
      List<Tensor> used = new ArrayList<>();
      for (MemoryPlan.Row row : training.plan.rows()) {
        Tensor block = training.device.allocate(DType.F32, row.bytes() / Float.BYTES);
        training.device.kernels().fill(block, Float.NaN);
        used.add(block);
      }
      used.forEach(Tensor::close);
      training.plan.allocate();
      for (Parameter p : training.plan.parameters()) {
        if (p.trainable()) {
          assertThat(p.gradient().download()).containsOnly(0);
          assertThat(p.firstMoment().download()).containsOnly(0);
          assertThat(p.secondMoment().download()).containsOnly(0);
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void nothingReadsWhatWasNotWritten(TinyVit.Mode mode) {
    Map<String, int[]> expected;
    float[] logits;
    try (Training training = Training.allocated(2, mode, new AdamW())) {
      training.step(0);
      training.step(1);
      logits = training.evaluate();
      expected = training.values();
    }
    try (Training training = Training.allocated(2, mode, new AdamW())) {
      training.poison();
      training.step(0);
      training.poison();
      training.step(1);
      training.poison();
      assertThat(training.evaluate()).isEqualTo(logits).doesNotContain(Float.NaN);
      assertThat(training.values()).usingRecursiveComparison().isEqualTo(expected);
    }
  }

  @ParameterizedTest
  @EnumSource
  void sharingMemoryChangesNoBit(TinyVit.Mode mode) {
    Map<String, int[]> expected;
    try (Training training = Training.allocated(2, mode, new Sgd(0.9f))) {
      training.step(0);
      training.step(1);
      expected = training.values();
    }
    try (Training training = Training.allocated(2, mode, new Sgd(0.9f))) {
      List<Tensor> apart = new ArrayList<>();
      for (List<Tensor> tenants : training.train.tape().lifetimes().tenants()) {
        for (Tensor tensor : tenants) {
          Tensor own = training.device.allocate(DType.U8, tensor.bytes());
          tensor.place(own, 0);
          apart.add(own);
        }
      }
      training.step(0);
      training.step(1);
      assertThat(training.values()).usingRecursiveComparison().isEqualTo(expected);
      apart.forEach(Tensor::close);
    }
  }

  @Test
  void closingEndsTapesParametersAndOptimizer() {
    try (Training training = Training.allocated(1, TinyVit.Mode.LORA, new Sgd(0.9f))) {
      Parameter trained =
          training.plan.parameters().stream()
              .filter(Parameter::trainable)
              .findFirst()
              .orElseThrow();
      training.plan.close();
      assertThatIllegalStateException().isThrownBy(() -> training.train.tape().run(0, false));
      assertThatIllegalStateException().isThrownBy(() -> training.optimizer.step(1));
      assertThat(trained.value()).isNull();
      assertThat(trained.gradient()).isNull();
      assertThatIllegalStateException()
          .isThrownBy(trained::download)
          .withMessageEndingWith("its memory plan is closed");
      assertThatIllegalStateException().isThrownBy(training.plan::allocate);
    }
  }

  @Test
  void aParameterIsPartOfOnePlan() {
    try (Training training = Training.allocated(1, TinyVit.Mode.LORA, new Sgd(0.9f));
        MemoryPlan other = MemoryPlan.of(null, training.train.tape())) {
      assertThatIllegalStateException()
          .isThrownBy(other::allocate)
          .withMessageEndingWith("is part of another memory plan already");
      assertThatIllegalStateException().isThrownBy(training.plan::allocate);
    }
  }

  @Test
  void refusesWhatDoesNotFitTogether() {
    try (Device device = TestDevices.open(1);
        Device other = TestDevices.open(1)) {
      assertThatIllegalArgumentException().isThrownBy(() -> MemoryPlan.of(null));
      Tape a = new Tape(device, true);
      Tape b = new Tape(other, true);
      assertThatIllegalArgumentException().isThrownBy(() -> MemoryPlan.of(null, a, b));
      assertThatIllegalArgumentException()
          .isThrownBy(() -> MemoryPlan.of(new AdamW(), a))
          .withMessageContaining("no trainable parameter");
      HostTensor one = HostTensor.of(new float[] {1}, 1, 1);
      Tape c = new Tape(device, true);
      Variable x = c.input(DType.F32, 1, 1);
      x = c.linear(x, new Linear(new Parameter("same", one, true), null));
      c.linear(x, new Linear(new Parameter("same", one, false), null));
      assertThatIllegalArgumentException()
          .isThrownBy(() -> MemoryPlan.of(null, c))
          .withMessage("two parameters named same");
    }
  }
}
