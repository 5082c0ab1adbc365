// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.jmh;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.core.ffi.Lorikeet;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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

/**
 * One kernel call over 16 numbers by three ways: the binding alone, the checked method of {@link
 * Kernels}, a tape of one operation. The native work is the same, so differences are the ways'.
 */
@State(Scope.Thread)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class CallPath {
  private static final int NUMBERS = 16;

  private Device device;
  private Kernels kernels;
  private Tensor x;
  private Tensor y;
  private Arena arena;
  private MemorySegment bareDevice;
  private MemorySegment bareX;
  private MemorySegment bareY;
  private Tape tape;
  private MemoryPlan plan;
  private Variable output;

  @Setup
  public void open() {
    device = Device.open("cpu", 1);
    kernels = device.kernels();
    x = device.allocate(DType.F32, 1, NUMBERS);
    y = device.allocate(DType.F32, 1, NUMBERS);
    float[] numbers = new float[NUMBERS];
    for (int i = 0; i < NUMBERS; i++) {
      numbers[i] = i - 8;
    }
    x.upload(numbers);
    arena = Arena.ofShared();
    MemorySegment answer = arena.allocate(ValueLayout.ADDRESS);
    Lorikeet.lk_device_open(arena.allocateFrom("cpu"), 1, answer);
    bareDevice = answer.get(ValueLayout.ADDRESS, 0);
    bareX = x.descriptor();
    bareY = y.descriptor();
    tape = new Tape(device, false);
    Variable input = tape.input(DType.F32, 1, NUMBERS);
    output = tape.keep(tape.gelu(input));
    plan = MemoryPlan.of(null, tape);
    plan.allocate();
    input.tensor().upload(numbers);
    check(this::bare, y);
    check(this::kernels, y);
    check(this::tape, output.tensor());
    Allocations.requireNone(this::kernels);
    Allocations.requireNone(this::tape);
  }

  /** GELU(1) = Φ(1), GELU(-1) = -Φ(-1). */
  private void check(Runnable way, Tensor result) {
    kernels.fill(y, 0);
    way.run();
    float[] numbers = result.download();
    if (Math.abs(numbers[9] - 0.8413447) > 1e-6 || Math.abs(numbers[7] + 0.1586553) > 1e-6) {
      throw new IllegalStateException("GELU(1) = " + numbers[9] + ", expected 0.8413447");
    }
  }

  @Benchmark
  public void bare() {
    if (Lorikeet.lk_gelu_forward(bareDevice, bareX, bareY) != 0) {
      throw new IllegalStateException("refused");
    }
  }

  @Benchmark
  public void kernels() {
    kernels.geluForward(x, y);
  }

  @Benchmark
  public void tape() {
    tape.run(0, false);
  }

  @TearDown
  public void close() {
    plan.close();
    x.close();
    y.close();
    device.close();
    Lorikeet.lk_device_close(bareDevice);
    arena.close();
  }
}
