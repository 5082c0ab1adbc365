// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

/** The same checks over the CUDA kernels, run on the CPU. */
class SimulatedGradientTest extends GradientTest {
  @Override
  String device() {
    return "simt:up";
  }
}
