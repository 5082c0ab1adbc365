// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.lorikeet.vision.metrics.Calibration.Bin;
import org.junit.jupiter.api.Test;

class CalibrationTest {

  /**
   * Ten images. Bin 0: .05 and .03, none has the label: off by .04. Bin 2: .25, has it: off by .75.
   * Bin 5: .5 (the border belongs to it) and .58, one has it: off by |.54 - .5| = .04. Bin 9: .9,
   * .92, .94, .96 and 1, four have it: off by |.944 - .8| = .144. Expected error: (2 x .04 + .75 +
   * 2 x .04 + 5 x .144) / 10 = .163.
   */
  @Test
  void aWorkedExample() {
    double[] probabilities = {.05, .03, .25, .5, .58, .9, .92, .94, .96, 1};
    byte[] labels = {0, 0, 1, 0, 1, 1, 1, 0, 1, 1};
    Calibration calibration = Calibration.of(probabilities, labels, 1, 0);
    assertThat(calibration.expectedError()).isCloseTo(.163, within(1e-12));
    assertThat(calibration.bins().stream().map(Bin::count))
        .containsExactly(2, 0, 1, 0, 0, 2, 0, 0, 0, 5);
    Bin last = calibration.bins().getLast();
    assertThat(last.from()).isEqualTo(.9);
    assertThat(last.to()).isEqualTo(1);
    assertThat(last.predicted()).isCloseTo(.944, within(1e-12));
    assertThat(last.observed()).isCloseTo(.8, within(1e-12));
    assertThat(calibration.bins().get(1).predicted()).isNaN();
  }

  @Test
  void aLabelIsLookedAtAlone() {
    double[] probabilities = {1, .1, 0, .7, 1, .2};
    byte[] labels = {1, 0, 0, 1, 1, 0};
    assertThat(Calibration.of(probabilities, labels, 2, 0).expectedError()).isZero();
    // Off by .1, .2 and .3 in bins of their own.
    assertThat(Calibration.of(probabilities, labels, 2, 1).expectedError())
        .isCloseTo(.2, within(1e-12));
  }

  @Test
  void refusesWhatIsNoProbability() {
    assertThatThrownBy(() -> Calibration.of(new double[] {1.5}, new byte[1], 1, 0))
        .hasMessage("image 0: probability 1.5, expected 0 to 1");
    assertThatThrownBy(() -> Calibration.of(new double[] {Double.NaN}, new byte[1], 1, 0))
        .hasMessageContaining("NaN");
    assertThatThrownBy(() -> Calibration.of(new double[3], new byte[3], 2, 0))
        .hasMessageContaining("3 probabilities and 3 labels");
    assertThatThrownBy(() -> Calibration.of(new double[2], new byte[2], 2, 2))
        .hasMessageContaining("no label 2");
  }
}
