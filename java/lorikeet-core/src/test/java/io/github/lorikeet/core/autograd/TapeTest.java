// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import com.sun.management.ThreadMXBean;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.Lora;
import io.github.lorikeet.core.TestDevices;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag(TestDevices.EACH)
class TapeTest {
  @ParameterizedTest
  @EnumSource
  void bitsDependOnNeitherThreadsNorTime(TinyVit.Mode mode) {
    Map<String, int[]> expected = null;
    for (int threads : new int[] {1, 2, 2}) {
      try (Training training = Training.allocated(threads, mode, new AdamW())) {
        for (int n = 0; n < 3; n++) {
          training.step(n);
        }
        Map<String, int[]> values = training.values();
        values.put("logits", Training.bits(training.evaluate()));
        if (expected != null) {
          assertThat(values).usingRecursiveComparison().isEqualTo(expected);
        }
        expected = values;
      }
    }
  }

  @Test
  void aStoppedRunGoesOnToTheSameBits() {
    Map<String, int[]> expected;
    Map<String, HostTensor> state;
    Map<String, HostTensor> stopped = new LinkedHashMap<>();
    try (Training training = Training.allocated(1, TinyVit.Mode.LORA, new AdamW())) {
      for (int n = 0; n < 5; n++) {
        if (n == 3) {
          training.plan.parameters().stream()
              .filter(Parameter::trainable)
              .forEach(p -> stopped.put(p.name(), HostTensor.of(p.download(), p.sizes())));
        }
        training.step(n);
      }
      expected = training.values();
    }
    try (Training training = Training.allocated(1, TinyVit.Mode.LORA, new AdamW())) {
      for (int n = 0; n < 3; n++) {
        training.step(n);
      }
      state = training.optimizer.exportState();
    }
    try (Training training = Training.allocated(1, TinyVit.Mode.LORA, new AdamW())) {
      for (Parameter parameter : training.plan.parameters()) {
        if (parameter.trainable()) {
          parameter.load(stopped.get(parameter.name()));
        }
      }
      training.optimizer.importState(state);
      training.step(3);
      training.step(4);
      assertThat(training.optimizer.steps()).isEqualTo(5);
      assertThat(training.values()).usingRecursiveComparison().isEqualTo(expected);
    }
  }

  private static Map<String, float[]> gradients(Training training) {
    Map<String, float[]> gradients = new LinkedHashMap<>();
    for (Parameter parameter : training.plan.parameters()) {
      if (parameter.trainable()) {
        gradients.put(parameter.name(), parameter.gradient().download());
      }
    }
    return gradients;
  }

  @ParameterizedTest
  @EnumSource
  void gradientsAccumulate(TinyVit.Mode mode) {
    try (Training training = Training.allocated(2, mode, new Sgd(0))) {
      Tape tape = training.train.tape();
      training.train.fill(0);
      tape.run(0, false);
      Map<String, float[]> first = gradients(training);
      training.train.fill(1);
      tape.run(1, false);
      Map<String, float[]> second = gradients(training);
      tape.run(1, false);
      assertThat(gradients(training)).usingRecursiveComparison().isEqualTo(second);
      training.train.fill(0);
      tape.run(0, true);
      gradients(training)
          .forEach(
              (name, both) -> {
                for (int i = 0; i < both.length; i++) {
                  float a = first.get(name)[i];
                  float b = second.get(name)[i];
                  // Adding in one sum or to a finished one rounds differently.
                  float size = Math.max(Math.abs(a), Math.abs(b));
                  assertThat(both[i]).as(name).isCloseTo(a + b, within(1e-5f * size + 1e-8f));
                }
              });
    }
  }

  @Test
  void forwardAndBackwardRunOneByOne() {
    try (Training training = Training.allocated(1, TinyVit.Mode.LORA, new Sgd(0))) {
      Tape tape = training.train.tape();
      training.train.fill(0);
      tape.run(3, false);
      Map<String, float[]> expected = gradients(training);
      tape.run(4, false);
      tape.runForward(3);
      assertThat(gradients(training)).usingRecursiveComparison().isNotEqualTo(expected);
      tape.runBackward(false);
      assertThat(gradients(training)).usingRecursiveComparison().isEqualTo(expected);
    }
  }

  @Test
  void everyBackwardPassTakesAForwardPass() {
    try (Training training = Training.allocated(1, TinyVit.Mode.LORA, new Sgd(0))) {
      Tape tape = training.train.tape();
      training.train.fill(0);
      assertThatIllegalStateException().isThrownBy(() -> tape.runBackward(false));
      tape.runForward(0);
      tape.runBackward(false);
      assertThatIllegalStateException().isThrownBy(() -> tape.runBackward(false));
      tape.runForward(0);
      training.evaluate(); // by another tape, in the same memory
      assertThatIllegalStateException()
          .isThrownBy(() -> tape.runBackward(false))
          .withMessageContaining("run this tape's forward pass right before it");
    }
  }

  /**
   * Residual sums, GELU, dropout and drop path are no calls of their own: they ride in the linear
   * layers', and the gradients of residual branches in the layer norms'.
   */
  @Test
  void aStepPassesOverActivationsInItsLayersOnly() {
    try (Device device = TestDevices.open(1)) {
      Tape tape = new Tape(device, true);
      Variable loss = new TinyVit(TinyVit.Mode.LORA).record(tape, 2).loss();
      tape.backward(loss);
      List<Call> calls = loss.recording().calls;
      // The draws of drop path, every layer once, and the norms again whose output a product's
      // backward call reads.
      assertThat(calls.stream().map(Call::name))
          .containsExactly(
              ("patch_embed_forward"
                      + " layer_norm_forward lora_linear_forward attention_forward linear_forward"
                      + " layer_norm_forward linear_forward linear_forward"
                      + " layer_norm_forward lora_linear_forward attention_forward"
                      + " drop_path_scales linear_forward"
                      + " layer_norm_forward linear_forward drop_path_scales linear_forward"
                      + " mean_pool_forward layer_norm_forward linear_forward"
                      + " bce_with_logits_forward"
                      + " bce_with_logits_backward layer_norm_forward linear_backward"
                      + " layer_norm_backward mean_pool_backward"
                      + " linear_backward linear_backward layer_norm_backward linear_backward"
                      + " attention_backward layer_norm_forward lora_linear_backward"
                      + " layer_norm_backward"
                      + " linear_backward linear_backward layer_norm_backward linear_backward"
                      + " attention_backward lora_linear_backward")
                  .split(" "));
      // Layer norms' gradients in a block join what is there: they read what they write.
      assertThat(calls.stream().filter(call -> call.name().equals("layer_norm_backward")))
          .extracting(call -> call.reads().contains(call.writes().getFirst()))
          .containsExactly(false, true, true, true);
    }
  }

  @Test
  void theLossScaleMultipliesGradients() {
    float[] expected = null;
    for (float scale : new float[] {1, 0.25f}) {
      try (Device device = TestDevices.open(1)) {
        TinyVit.Step step = new TinyVit(TinyVit.Mode.HEAD).record(new Tape(device, true), 4);
        step.tape().backward(step.loss(), scale);
        try (MemoryPlan plan = MemoryPlan.of(null, step.tape())) {
          plan.allocate();
          step.fill(0);
          step.tape().run(0, false);
          float[] gradient = plan.parameters().getLast().gradient().download();
          if (expected != null) {
            for (int i = 0; i < gradient.length; i++) {
              assertThat(gradient[i]).isCloseTo(scale * expected[i], within(1e-7f));
            }
          }
          expected = gradient;
        }
      }
    }
  }

  @Test
  void stepsNameTheScalesOfDropPath() {
    try (Training training = Training.allocated(1, TinyVit.Mode.HEAD, new Sgd(0))) {
      Tape tape = training.train.tape();
      training.train.fill(0);
      tape.run(0, false);
      float[] first = training.train.logits().tensor().download();
      tape.run(0xFFFF_FFFFL, false);
      assertThat(training.train.logits().tensor().download()).isNotEqualTo(first);
      tape.run(0, false);
      assertThat(training.train.logits().tensor().download()).isEqualTo(first);
      assertThatIllegalArgumentException().isThrownBy(() -> tape.run(-1, false));
      assertThatIllegalArgumentException().isThrownBy(() -> tape.run(1L << 32, false));
    }
  }

  @Test
  void stepsNameTheDropoutMasks() {
    try (Device device = TestDevices.open(1)) {
      float[] ones = new float[32];
      Arrays.fill(ones, 1);
      Parameter weight = new Parameter("w", HostTensor.of(new float[32], 1, 32), false);
      Parameter a = new Parameter("a", HostTensor.of(ones, 1, 32), true);
      Parameter b = new Parameter("b", HostTensor.of(new float[] {1}, 1, 1), true);
      List<Lora.Group> all = List.of(new Lora.Group(0, 1));
      Linear layer = new Linear(weight, null, new LoraAdapter(a, b, all, 1, 1, 0.5f));
      Tape tape = new Tape(device, true);
      Variable x = tape.input(DType.F32, 1, 32);
      Variable first = tape.linear(x, layer);
      Variable second = tape.linear(x, layer);
      tape.backward(second, tape.input(DType.F32, 1, 1));
      try (MemoryPlan plan = MemoryPlan.of(null, tape)) {
        plan.allocate();
        // Powers of two up to 2^23, so that the sum says which elements were kept.
        float[] powers = new float[32];
        for (int i = 0; i < 23; i++) {
          powers[i] = 1 << i;
        }
        x.tensor().upload(powers);
        Set<Float> sums = new HashSet<>();
        for (int step = 0; step < 10; step++) {
          tape.run(step, false);
          sums.add(first.tensor().download()[0]);
          sums.add(second.tensor().download()[0]);
        }
        assertThat(sums).as("a mask for each operation and step").hasSize(20);
      }
    }
  }

  @Test
  void evaluationDrawsNothing() {
    try (Training training = Training.allocated(1, TinyVit.Mode.LORA, new Sgd(0))) {
      float[] logits = training.evaluate();
      training.evaluate.tape().run(1, false);
      assertThat(training.evaluate.logits().tensor().download()).isEqualTo(logits);
      assertThat(training.evaluate.loss().requiresGradient()).isFalse();
      assertThat(new Tape(training.device, false).dropPathScales(0.5f, 3)).isNull();
      assertThat(new Tape(training.device, true).dropPathScales(0, 3)).isNull();
    }
  }

  @ParameterizedTest
  @EnumSource
  @Tag(TestDevices.PROCESSOR_ONLY)
  void trainingLowersTheLoss(TinyVit.Mode mode) {
    try (Training training = Training.allocated(2, mode, new AdamW())) {
      training.evaluate();
      float before = training.evaluate.loss().tensor().download()[0];
      for (int n = 0; n < 150; n++) {
        training.train.fill(n);
        training.train.tape().run(n, false);
        training.optimizer.step(0.02f);
      }
      training.evaluate();
      float after = training.evaluate.loss().tensor().download()[0];
      assertThat(after).isLessThan(0.9f * before);
    }
  }

  @Test
  @Tag(TestDevices.PROCESSOR_ONLY)
  void stepsAllocateNothingOnTheHeap() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (Training training = Training.allocated(1, TinyVit.Mode.LORA, new AdamW())) {
      training.train.fill(0);
      long bytes = 1;
      // Until the compiler has taken its final view of the calls, they do allocate.
      for (int round = 0; round < 100 && bytes > 0; round++) {
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int n = 0; n < 100; n++) {
          training.train.tape().run(n, n % 2 == 1);
          training.optimizer.step(1e-3f);
        }
        bytes = threads.getCurrentThreadAllocatedBytes() - before;
      }
      assertThat(bytes).isZero();
    }
  }
}
