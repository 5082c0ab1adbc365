// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.TestDevices;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag(TestDevices.EACH)
class OptimizerTest {
  private static final float[] VALUE = {1, -2, 0.5f, 3};
  private static final float[] GRADIENT = {0.5f, 0.25f, -1, 2};

  private final Device device = TestDevices.open(1);
  private final Parameter weight = new Parameter("w", HostTensor.of(VALUE, 1, 4), true);
  private MemoryPlan plan;

  @AfterEach
  void close() {
    plan.close();
    device.close();
  }

  /** The weight in training by this optimiser; its gradient is set as if it had been computed. */
  private void train(Optimizer optimizer) {
    Tape tape = new Tape(device, true);
    tape.linear(tape.input(DType.F32, 1, 4), new Linear(weight, null));
    plan = MemoryPlan.of(optimizer, tape);
    plan.allocate();
    weight.gradient().upload(GRADIENT);
  }

  @Test
  void sgd() {
    Sgd sgd = new Sgd(0.5f);
    train(sgd);
    weight.setLearningRateScale(0.5f);
    weight.setWeightDecay(0.1f);
    double[] value = {1, -2, 0.5, 3};
    double[] moment = new double[4];
    for (int step = 0; step < 3; step++) {
      sgd.step(0.2f);
      for (int i = 0; i < 4; i++) {
        moment[i] = 0.5 * moment[i] + GRADIENT[i] + 0.1 * value[i];
        value[i] -= 0.2 * 0.5 * moment[i];
        assertThat(weight.download()[i]).isCloseTo((float) value[i], within(1e-6f));
        assertThat(weight.firstMoment().download()[i]).isCloseTo((float) moment[i], within(1e-6f));
      }
    }
    assertThat(weight.secondMoment()).isNull();
    assertThat(sgd.steps()).isEqualTo(3);
  }

  @Test
  void memoryOfAnotherPlanIsBegunAnew() {
    AdamW adamW = new AdamW();
    train(adamW);
    adamW.step(0.1f);
    plan.close();
    Parameter other = new Parameter("other", HostTensor.of(VALUE, 1, 4), true);
    Tape tape = new Tape(device, true);
    tape.linear(tape.input(DType.F32, 1, 4), new Linear(other, null));
    plan = MemoryPlan.of(adamW, tape);
    plan.allocate();
    assertThat(adamW.steps()).isZero();
  }

  @Test
  void clippingIsAskedForBeforeThePlan() {
    Sgd sgd = new Sgd(0);
    train(sgd);
    assertThatIllegalStateException()
        .isThrownBy(() -> sgd.clipGradientNorm(1))
        .withMessage("the optimiser's memory is planned: set the norm before");
  }

  @Test
  void adamW() {
    AdamW adamW = new AdamW(0.8f, 0.9f, 1e-8f);
    train(adamW);
    weight.setLearningRateScale(2);
    weight.setWeightDecay(0.1f);
    double[] value = {1, -2, 0.5, 3};
    double[] m = new double[4];
    double[] v = new double[4];
    for (int step = 1; step <= 3; step++) {
      adamW.step(0.01f);
      for (int i = 0; i < 4; i++) {
        m[i] = 0.8 * m[i] + 0.2 * GRADIENT[i];
        v[i] = 0.9 * v[i] + 0.1 * GRADIENT[i] * GRADIENT[i];
        double unbiased = m[i] / (1 - Math.pow(0.8, step));
        double root = Math.sqrt(v[i] / (1 - Math.pow(0.9, step)));
        value[i] = value[i] * (1 - 0.02 * 0.1) - 0.02 * unbiased / (root + 1e-8);
        assertThat(weight.download()[i]).isCloseTo((float) value[i], within(2e-6f));
        assertThat(weight.secondMoment().download()[i]).isCloseTo((float) v[i], within(1e-6f));
      }
    }
  }

  @Test
  void clipping() {
    Sgd sgd = new Sgd(0);
    sgd.clipGradientNorm(1);
    train(sgd);
    double norm = Math.sqrt(0.25 + 0.0625 + 1 + 4);
    sgd.step(1);
    assertThat(sgd.gradientNorm()).isCloseTo((float) norm, within(1e-6f));
    for (int i = 0; i < 4; i++) {
      assertThat(weight.download()[i])
          .isCloseTo((float) (VALUE[i] - GRADIENT[i] / (norm + 1e-6)), within(1e-6f));
    }
    weight.gradient().upload(new float[] {0.1f, 0, 0, 0});
    float before = weight.download()[0];
    sgd.step(1);
    assertThat(weight.download()[0]).isCloseTo(before - 0.1f, within(1e-6f));
  }

  @Test
  void exportedStateIsACopyUnderTheParametersNames() {
    AdamW adamW = new AdamW();
    train(adamW);
    adamW.step(0.1f);
    Map<String, HostTensor> state = adamW.exportState();
    float[] moment = weight.firstMoment().download();
    adamW.step(0.1f);
    assertThat(state).containsOnlyKeys("steps", "w.first_moment", "w.second_moment");
    assertThat(state.get("steps").toFloats()).containsExactly(1);
    assertThat(state.get("w.first_moment").toFloats()).isEqualTo(moment);
    assertThat(state.get("w.first_moment").sizes()).containsExactly(1, 4);
    adamW.importState(state);
    assertThat(adamW.steps()).isEqualTo(1);
    assertThat(weight.firstMoment().download()).isEqualTo(moment);
  }

  @Test
  void refusesAnotherOptimizersState() {
    AdamW adamW = new AdamW();
    train(adamW);
    Map<String, HostTensor> state = new LinkedHashMap<>(adamW.exportState());
    state.put("v.first_moment", state.get("w.first_moment"));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> adamW.importState(state))
        .withMessage("v.first_moment: no such tensor in this optimiser's state");
    state.remove("v.first_moment");
    state.put("w.second_moment", HostTensor.of(new float[4], 4));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> adamW.importState(state))
        .withMessage("w.second_moment: f32 [4], expected the sizes of f32 [1, 4]");
    state.remove("w.second_moment");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> adamW.importState(state))
        .withMessageStartingWith("w.second_moment: null");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> adamW.importState(Map.of()))
        .withMessage("steps: null, expected i32 [1]");
  }

  @Test
  void needsMemoryAndASensibleSetting() {
    train(new Sgd(0));
    assertThatIllegalStateException().isThrownBy(() -> new AdamW().step(1));
    assertThatIllegalStateException().isThrownBy(() -> new AdamW().exportState());
    assertThatIllegalArgumentException().isThrownBy(() -> new Sgd(1));
    assertThatIllegalArgumentException().isThrownBy(() -> new AdamW(0.9f, 1, 1e-8f));
    assertThatIllegalArgumentException().isThrownBy(() -> new Sgd(0).clipGradientNorm(0));
  }
}
