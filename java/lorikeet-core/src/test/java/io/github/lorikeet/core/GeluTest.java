// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class GeluTest {
  // x Φ(x) and Φ(x) + x φ(x) at -1, 0, 1, from tables of the normal distribution.
  private static final float[] X = {-1, 0, 1};
  private static final float[] GELU = {-0.15865525f, 0, 0.84134475f};
  private static final float[] DERIVATIVE = {-0.08331547f, 0.5f, 1.08331547f};

  @Test
  void forwardAndBackward() {
    try (Device device = Device.open("cpu", 2);
        Tensor x = device.allocate(DType.F32, 1, 3);
        Tensor y = device.allocate(DType.F32, 1, 3)) {
      x.upload(X);
      device.kernels().geluForward(x, y);
      assertThat(y.download()).containsExactly(GELU, within(1e-6f));
      y.upload(new float[] {2, 2, 2});
      device.kernels().geluBackward(x, y, y);
      for (int i = 0; i < 3; i++) {
        assertThat(y.download()[i]).isCloseTo(2 * DERIVATIVE[i], within(1e-6f));
      }
    }
  }
}
