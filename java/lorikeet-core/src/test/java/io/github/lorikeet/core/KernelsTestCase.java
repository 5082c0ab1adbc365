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
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;

/** A device, and tensors that are closed and counted after each test. */
abstract class KernelsTestCase {
  final Device device = Device.open("cpu", 2);
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

  static void assertNumbers(Tensor tensor, double... expected) {
    float[] actual = tensor.download();
    assertThat(actual).hasSize(expected.length);
    for (int i = 0; i < actual.length; i++) {
      assertThat((double) actual[i])
          .as("element %d of %s", i, Arrays.toString(actual))
          .isCloseTo(expected[i], within(2e-6 * Math.max(1, Math.abs(expected[i]))));
    }
  }

  static void assertRefused(ThrowingCallable call, String message) {
    assertThatExceptionOfType(LorikeetException.class)
        .isThrownBy(call)
        .withMessage(message)
        .matches(e -> e.status() == Status.BAD_ARGUMENT, "is a bad argument");
  }
}
