// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;

class WeightTest extends KernelsTestCase {
  @Test
  void isOfTheTypeOfItsTensor() {
    Tensor rows = empty(DType.F16, 2, 3);
    assertThat(plain(output(2, 3)).type()).isEqualTo(DType.F32);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> plain(rows))
        .withMessage("w: f16 [2, 3], expected the rows of weight f32 [2, 3]");
    Weight turned = new Weight(Weight.Format.PLAIN, DType.F32, 3, 2);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> kernels.weightPrepare(output(2, 3), null, turned))
        .withMessage("w: f32 [2, 3], expected the rows of weight f32 [3, 2]");
    Weight weight = new Weight(Weight.Format.PACKED, DType.F16, 2, 3);
    if (device.info().dtypes().contains(DType.F16)) {
      kernels.weightPrepare(
          rows, workspace(kernels.weightPrepareBytes(rows, weight.format())), weight);
      assertThat(kernels.linearForwardWorkspace(4, weight)).isNotNegative();
      return;
    }
    String words = "does not compute f16";
    assertThatExceptionOfType(LorikeetException.class)
        .isThrownBy(() -> kernels.weightPrepare(rows, null, weight))
        .withMessageContaining(words);
    assertThatExceptionOfType(LorikeetException.class)
        .isThrownBy(() -> kernels.linearForwardWorkspace(4, weight))
        .withMessageContaining(words);
  }
}
