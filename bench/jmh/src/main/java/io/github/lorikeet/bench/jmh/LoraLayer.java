// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.jmh;

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
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** A layer with LoRA on two groups of columns, forward and backward through the tape. */
@State(Scope.Thread)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class LoraLayer {
  private static final int ROWS = 197;
  private static final int WIDTH = 64;
  private static final int RANK = 4;
  private static final double ALPHA = 8;

  private Device device;
  private Tape tape;
  private MemoryPlan plan;

  @Setup
  public void open() {
    device = Device.open("cpu", 1);
    float[] w = numbers(1, 3 * WIDTH * WIDTH);
    float[] a = numbers(2, 2 * RANK * WIDTH);
    float[] b = numbers(3, 2 * WIDTH * RANK);
    Parameter weight = new Parameter("weight", HostTensor.of(w, 3 * WIDTH, WIDTH), false);
    Parameter loraA = new Parameter("a", HostTensor.of(a, 2 * RANK, WIDTH), true);
    Parameter loraB = new Parameter("b", HostTensor.of(b, 2 * WIDTH, RANK), true);
    var groups = List.of(new Lora.Group(0, WIDTH), new Lora.Group(2 * WIDTH, WIDTH));
    Linear layer = new Linear(weight, null, new LoraAdapter(loraA, loraB, groups, RANK, ALPHA, 0));
    tape = new Tape(device, true);
    Variable x = tape.input(DType.F32, ROWS, WIDTH);
    Variable dy = tape.input(DType.F32, ROWS, 3 * WIDTH);
    Variable y = tape.keep(tape.linear(x, layer));
    tape.backward(y, dy);
    plan = MemoryPlan.of(null, tape);
    plan.allocate();
    float[] rows = numbers(4, ROWS * WIDTH);
    float[] gradient = numbers(5, ROWS * 3 * WIDTH);
    x.tensor().upload(rows);
    dy.tensor().upload(gradient);
    tape.run(0, false);
    checkForward(rows, w, a, b, y.tensor().download());
    checkBackward(rows, a, gradient, loraB.gradient().download());
    Allocations.requireNone(this::forwardBackward);
  }

  private static float[] numbers(long seed, int count) {
    Random random = new Random(seed);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = random.nextFloat() - 0.5f;
    }
    return values;
  }

  /**
   * The last row, in double: its columns beyond the first group and below the second have no LoRA.
   */
  private static void checkForward(float[] x, float[] w, float[] a, float[] b, float[] y) {
    int row = ROWS - 1;
    for (int column = 0; column < 3 * WIDTH; column++) {
      double sum = dot(x, row * WIDTH, w, column * WIDTH, WIDTH);
      int group = column / WIDTH; // 0 query, 1 key, 2 value
      for (int r = 0; group != 1 && r < RANK; r++) {
        int part = group / 2;
        double h = dot(x, row * WIDTH, a, (part * RANK + r) * WIDTH, WIDTH);
        sum += ALPHA / RANK * h * b[(part * WIDTH + column % WIDTH) * RANK + r];
      }
      require(sum, y[row * 3 * WIDTH + column], "y");
    }
  }

  /** The last entry of d_b = dyᵀ h of the second group. */
  private static void checkBackward(float[] x, float[] a, float[] dy, float[] dB) {
    double sum = 0;
    for (int row = 0; row < ROWS; row++) {
      double h = dot(x, row * WIDTH, a, (2 * RANK - 1) * WIDTH, WIDTH);
      sum += ALPHA / RANK * h * dy[(row + 1) * 3 * WIDTH - 1];
    }
    require(sum, dB[2 * WIDTH * RANK - 1], "d_b");
  }

  private static double dot(float[] a, int fromA, float[] b, int fromB, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += (double) a[fromA + i] * b[fromB + i];
    }
    return sum;
  }

  private static void require(double expected, double given, String what) {
    if (!(Math.abs(expected - given) <= 1e-4 * Math.max(1, Math.abs(expected)))) {
      throw new IllegalStateException(what + " is " + given + ", expected " + expected);
    }
  }

  @Benchmark
  public void forwardBackward() {
    tape.run(0, false);
  }

  @TearDown
  public void close() {
    plan.close();
    device.close();
  }
}
