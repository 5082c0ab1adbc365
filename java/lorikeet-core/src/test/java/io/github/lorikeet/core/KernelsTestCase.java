// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;

/** A device, and tensors that are closed and counted after each test. */
@Tag(TestDevices.EACH)
abstract class KernelsTestCase {
  final Device device = TestDevices.open(2);
  final Kernels kernels = device.kernels();
  private final List<Tensor> tensors = new ArrayList<>();

  @AfterEach
  void closingEverythingLeavesNothing() {
    tensors.forEach(Tensor::close);
    assertThat(device.memory().liveBytes()).isZero();
    assertThat(device.memory().liveBlocks()).isZero();
    device.close();
  }

  /** An f32 tensor of ones: no output that should be written passes for zero. */
  final Tensor output(long... sizes) {
    Tensor tensor = empty(DType.F32, sizes);
    float[] ones = new float[(int) tensor.elements()];
    Arrays.fill(ones, 1);
    tensor.upload(ones);
    return tensor;
  }

  final Tensor empty(DType type, long... sizes) {
    Tensor tensor = device.allocate(type, sizes);
    tensors.add(tensor);
    return tensor;
  }

  /** An f32 vector of these numbers; reshape it for another shape. */
  final Tensor vector(float... values) {
    Tensor tensor = empty(DType.F32, values.length);
    tensor.upload(values);
    return tensor;
  }

  final Tensor ints(int... values) {
    Tensor tensor = empty(DType.I32, values.length);
    tensor.upload(values);
    return tensor;
  }

  /** Numbers between -1 and 1, the same ones for the same seed. */
  final Tensor random(long seed, long... sizes) {
    Tensor tensor = empty(DType.F32, sizes);
    Random generator = new Random(seed);
    float[] values = new float[(int) tensor.elements()];
    for (int i = 0; i < values.length; i++) {
      values[i] = generator.nextFloat() * 2 - 1;
    }
    tensor.upload(values);
    return tensor;
  }

  /** Scratch memory of exactly this size; null for 0. */
  final Tensor workspace(long bytes) {
    return bytes == 0 ? null : empty(DType.U8, bytes);
  }

  final Weight plain(Tensor w) {
    Weight weight = new Weight(Weight.Format.PLAIN, w.size(0), w.size(1));
    kernels.weightPrepare(w, null, weight);
    return weight;
  }

  /** The elements, for plain loops over them. */
  static double[] numbers(Tensor tensor) {
    float[] elements = tensor.download();
    double[] numbers = new double[elements.length];
    for (int i = 0; i < elements.length; i++) {
      numbers[i] = elements[i];
    }
    return numbers;
  }

  static double[] times(double factor, double[] numbers) {
    return Arrays.stream(numbers).map(number -> factor * number).toArray();
  }

  /** Φ(x) = 1/2 + φ(x) (x + x³/3 + x⁵/(3·5) + ...), for x of a few units. */
  static double normalCdf(double x) {
    double term = x;
    double sum = 0;
    for (int n = 1; Math.abs(term) > 1e-17; n++) {
      sum += term;
      term *= x * x / (2 * n + 1);
    }
    return 0.5 + normalDensity(x) * sum;
  }

  static double normalDensity(double x) {
    return Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
  }

  static void assertNumbers(Tensor tensor, double... expected) {
    float[] actual = tensor.download();
    assertThat(actual).hasSize(expected.length);
    for (int i = 0; i < actual.length; i++) {
      assertThat((double) actual[i])
          .as("element %d of %s", i, Arrays.toString(actual))
          .isCloseTo(expected[i], within(2e-6 * Math.max(1, Math.abs(expected[i]))));
    }
  }

  /**
   * None, a byte too few and bytes that are not aligned are refused.
   *
   * @param bytes 0 where the device needs none, as CUDA devices mostly do
   */
  final void assertWantsScratch(String argument, long bytes, Consumer<Tensor> call) {
    if (bytes == 0 && !TestDevices.isCpu()) {
      return;
    }
    String message = argument + ": %d bytes, expected at least " + bytes;
    assertRefused(() -> call.accept(null), message.formatted(0));
    assertRefused(() -> call.accept(workspace(bytes - 1)), message.formatted(bytes - 1));
    Tensor unaligned = workspace(bytes + 1).view(1, new long[] {bytes}, new long[] {1});
    assertRefused(() -> call.accept(unaligned), argument + ": not aligned to 64 bytes");
  }

  /** CUDA devices do not look at indices before they work. */
  static void assertIndicesRefused(ThrowingCallable call, String message) {
    if (TestDevices.isCpu()) {
      assertRefused(call, message);
    }
  }

  static void assertRefused(ThrowingCallable call, String message) {
    assertThatExceptionOfType(LorikeetException.class)
        .isThrownBy(call)
        .withMessage(message)
        .matches(e -> e.status() == Status.BAD_ARGUMENT, "is a bad argument");
  }
}
