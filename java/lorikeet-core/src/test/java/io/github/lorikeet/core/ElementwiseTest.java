// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

class ElementwiseTest extends KernelsTestCase {
  @Test
  void fillsAnyStrides() {
    Tensor all = output(2, 3);
    kernels.fill(all.view(1, new long[] {2}, new long[] {3}), 7);
    assertNumbers(all, 1, 7, 1, 1, 7, 1);
    assertRefused(() -> kernels.fill(null, 0), "fill: tensor: NULL, expected a tensor");
  }

  @Test
  void addsInPlaceToo() {
    Tensor a = vector(1, 2, 3);
    Tensor b = vector(10, 20, 30);
    Tensor y = output(3);
    kernels.add(a, b, y);
    assertNumbers(y, 11, 22, 33);
    kernels.add(a, y, a);
    assertNumbers(a, 12, 24, 36);
    assertRefused(
        () -> kernels.add(a, vector(1, 2), y),
        "add: b: f32 [2] strides [1], expected 1 rows of 3 elements");
  }

  @Test
  void convertsBetweenTypes() {
    Tensor numbers = vector(1, -2.5f, 1e6f);
    Tensor halves = empty(DType.F16, 3);
    Tensor back = output(3);
    kernels.convert(numbers, halves);
    kernels.convert(halves, back);
    assertNumbers(back, 1, -2.5, Float.POSITIVE_INFINITY);
    Tensor brain = empty(DType.BF16, 3);
    kernels.convert(vector(1, 1 + 1f / 512, 3), brain);
    kernels.convert(brain, back);
    assertNumbers(back, 1, 1, 3);
    Tensor bytes = empty(DType.U8, 3);
    bytes.upload(MemorySegment.ofArray(new byte[] {0, 1, -1}));
    kernels.convert(bytes, back);
    assertNumbers(back, 0, 1, 255);
    Tensor transposed = ints(1, 2, 3, 4).view(0, new long[] {2, 2}, new long[] {1, 2});
    Tensor rows = empty(DType.I32, 2, 2);
    kernels.convert(transposed, rows);
    assertThat(rows.downloadInts()).containsExactly(1, 3, 2, 4);
  }

  @Test
  void leavesTheTypeOfActivationsToTheDevice() {
    Tensor half = empty(DType.F16, 3);
    if (device.info().dtypes().contains(DType.F16)) {
      half.upload(new float[] {-1, 0, 1});
      kernels.geluForward(half, half);
      assertThat(half.download()).containsExactly(-0.15869140625f, 0, 0.84130859375f);
    } else {
      assertThatExceptionOfType(LorikeetException.class)
          .isThrownBy(() -> kernels.geluForward(half, half))
          .withMessageEndingWith("gelu_forward: device cpu does not compute f16")
          .matches(e -> e.status() == Status.UNSUPPORTED);
    }
    assertRefused(
        () -> kernels.add(half, vector(1, 2, 3), half), "add: b: f32, expected f16 as a is");
  }

  // x Φ(x) and Φ(x) + x φ(x) at -1, 0, 1, from tables of the normal distribution.
  @Test
  void geluForwardAndBackward() {
    Tensor x = vector(-1, 0, 1);
    Tensor y = output(3);
    kernels.geluForward(x, y);
    assertNumbers(y, -0.15865525, 0, 0.84134475);
    assertThat(kernels.describe()).startsWith("gelu_forward " + device.info().isa());
    Tensor dy = vector(2, 2, 2);
    kernels.geluBackward(x, dy, dy);
    assertNumbers(dy, -0.16663094, 1, 2.16663094);
    assertRefused(
        () -> kernels.geluForward(x, output(1, 4)),
        "gelu_forward: y: f32 [1, 4] strides [4, 1], expected 1 rows of 3 elements");
    assertRefused(
        () -> kernels.geluBackward(x, null, dy), "gelu_backward: dy: NULL, expected a tensor");
  }
}
