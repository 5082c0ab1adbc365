// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.TestDevices;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Checks recorded gradients against finite differences.
 *
 * <p>What is differentiated is S = Σ g·y, with y the recorded output and g random (for a loss, S is
 * the loss). Along a random direction v of one tensor, the central differences D(h) and D(h/2) give
 * Richardson's R = (4 D(h/2) - D(h)) / 3, whose truncation error is of order h⁴. It is compared
 * with Σ gradient·v. A single wrong element, mask or factor shows up in that sum in proportion to
 * ‖gradient∘v‖, so that is what the tolerance is relative to.
 *
 * <p>The tolerance: kernels are f32, so each S carries an error of about ε ‖g∘y‖ times a small
 * factor for the sums inside, and R about 2.1 times that divided by h. With values near 1 and h =
 * 1/32, h⁴ is 1e-6. A thousandth of ‖gradient∘v‖, plus 8 times that rounding, covers both; the
 * rounding must itself be small beside ‖gradient∘v‖, else the check would show nothing.
 */
final class GradientCheck implements AutoCloseable {
  private static final double H = 1.0 / 32;
  private static final double EPSILON = Math.pow(2, -24);
  private static final int DIRECTIONS = 3;
  private static final long STEP = 7;

  private final SplittableRandom random = new SplittableRandom(20240122);
  private final Device device;
  private final Map<Variable, float[]> inputs = new LinkedHashMap<>();
  private final Map<Variable, int[]> indices = new LinkedHashMap<>();

  final Tape tape;

  GradientCheck() {
    device = TestDevices.open(2);
    tape = new Tape(device, true, 42);
  }

  /** An input with normal values, whose gradient is checked. */
  Variable input(long... sizes) {
    return constant(sizes).requireGradient();
  }

  /** An input with normal values. */
  Variable constant(long... sizes) {
    Variable input = tape.input(DType.F32, sizes);
    fill(input);
    return input;
  }

  /** An input of fixed values. */
  Variable constant(float[] values, long... sizes) {
    Variable input = tape.input(DType.F32, sizes);
    fill(input, values);
    return input;
  }

  /** Gives an input of the tape normal values. */
  void fill(Variable input) {
    fill(input, normal(input.tensor().elements(), 0, 1));
  }

  void fill(Variable input, float[] values) {
    inputs.put(input, values);
  }

  Variable indices(int[] values, long... sizes) {
    Variable input = tape.input(DType.I32, sizes);
    indices.put(input, values);
    return input;
  }

  /** A parameter with normal values of this deviation, whose gradient is checked. */
  Parameter trained(String name, double deviation, long... sizes) {
    return parameter(name, true, 0, deviation, sizes);
  }

  Parameter frozen(String name, double deviation, long... sizes) {
    return parameter(name, false, 0, deviation, sizes);
  }

  Parameter parameter(String name, boolean trained, double mean, double deviation, long... sizes) {
    long elements = 1;
    for (long size : sizes) {
      elements *= size;
    }
    HostTensor initial = HostTensor.of(normal(elements, mean, deviation), sizes);
    return new Parameter(name, initial, trained);
  }

  LayerNorm layerNorm(String name, boolean trained, long width) {
    return new LayerNorm(
        parameter(name + ".weight", trained, 1, 0.3, width),
        parameter(name + ".bias", trained, 0, 0.3, width),
        1e-5f);
  }

  private float[] normal(long elements, double mean, double deviation) {
    float[] values = new float[Math.toIntExact(elements)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (mean + deviation * random.nextGaussian());
    }
    return values;
  }

  /** A tensor under check: its values, its gradient, and a way to change the values. */
  private record Target(String name, float[] values, float[] gradient, Tensor tensor) {}

  /**
   * Records the backward pass from output, plans, runs, and checks the gradient of every input that
   * asked and every trained parameter.
   *
   * @return the names of what was checked
   */
  List<String> check(Variable output) {
    boolean loss = output.producer() instanceof LossOperation;
    float[] g = loss ? new float[] {1} : normal(output.tensor().elements(), 0, 1);
    if (loss) {
      tape.backward(output);
    } else {
      tape.keep(output);
      tape.backward(output, constant(g, output.sizes()));
    }
    try (MemoryPlan plan = MemoryPlan.of(null, tape)) {
      plan.allocate();
      inputs.forEach((input, values) -> input.tensor().upload(values));
      indices.forEach((input, values) -> input.tensor().upload(values));
      for (Parameter p : plan.parameters()) {
        if (p.trainable()) {
          device.kernels().fill(p.gradient(), Float.NaN);
        }
      }
      tape.run(STEP, false);
      List<Target> targets = new ArrayList<>();
      for (Variable input : inputs.keySet()) {
        if (input.requiresGradient()) {
          float[] gradient = input.gradient().download();
          targets.add(new Target("input " + input, inputs.get(input), gradient, input.tensor()));
        }
      }
      for (Parameter p : plan.parameters()) {
        if (p.trainable()) {
          targets.add(new Target(p.name(), p.download(), p.gradient().download(), p.value()));
        }
      }
      for (Target target : targets) {
        for (int i = 0; i < DIRECTIONS; i++) {
          checkAlong(direction(target.values()), target, output, g);
        }
      }
      return targets.stream().map(Target::name).toList();
    }
  }

  /** Normal numbers of the values' own size. */
  private double[] direction(float[] values) {
    double square = 0;
    for (float value : values) {
      square += value * value;
    }
    double size = Math.sqrt(square / values.length);
    return random.doubles(values.length).map(x -> size * random.nextGaussian()).toArray();
  }

  private void checkAlong(double[] v, Target target, Variable output, float[] g) {
    double slope = 0;
    double square = 0;
    for (int i = 0; i < v.length; i++) {
      slope += target.gradient()[i] * v[i];
      square += Math.pow(target.gradient()[i] * v[i], 2);
    }
    double size = Math.sqrt(square);
    double expected =
        (4 * difference(H / 2, v, target, output, g) - difference(H, v, target, output, g)) / 3;
    target.tensor().upload(target.values());
    double rounding = 2.1 * EPSILON * norm(output, g) / H;
    assertThat(8 * rounding)
        .as("%s: rounding beside the slope", target.name())
        .isLessThan(0.02 * size);
    assertThat(slope)
        .as("%s: slope of size %s", target.name(), size)
        .isCloseTo(expected, within(1e-3 * size + 8 * rounding));
  }

  private double difference(double h, double[] v, Target target, Variable output, float[] g) {
    return (sum(h, v, target, output, g) - sum(-h, v, target, output, g)) / (2 * h);
  }

  private double sum(double h, double[] v, Target target, Variable output, float[] g) {
    float[] moved = target.values().clone();
    for (int i = 0; i < moved.length; i++) {
      moved[i] += (float) (h * v[i]);
    }
    target.tensor().upload(moved);
    tape.runForward(STEP);
    float[] y = output.tensor().download();
    double sum = 0;
    for (int i = 0; i < y.length; i++) {
      sum += (double) g[i] * y[i];
    }
    return sum;
  }

  private double norm(Variable output, float[] g) {
    float[] y = output.tensor().download();
    double square = 0;
    for (int i = 0; i < y.length; i++) {
      square += Math.pow((double) g[i] * y[i], 2);
    }
    return Math.sqrt(square);
  }

  @Override
  public void close() {
    device.close();
  }
}
