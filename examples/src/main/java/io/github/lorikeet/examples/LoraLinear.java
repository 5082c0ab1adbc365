// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.examples;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.Lora;
import io.github.lorikeet.core.RandomKey;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.Weight;
import java.util.List;

/**
 * A frozen linear layer with LoRA, y = x Wᵀ + alpha / r (mask ∘ x) Aᵀ Bᵀ, between tensors that
 * another library owns: inputs, outputs, A, B and all gradients. Its own are the packed weight,
 * what the forward pass saves and scratch memory, all allocated once. f32; not for two threads at a
 * time.
 */
final class LoraLinear implements AutoCloseable {
  private final Kernels kernels;
  private final Weight weight;
  private final RandomKey mask;
  private final Lora lora;
  private final Tensor packed;
  private final Tensor h;
  private final Tensor workspace;

  /**
   * @param w [n, k]; copied, no longer needed afterwards
   * @param a [r, k], read at every call, as {@code b} is
   * @param b [n, r]
   * @param dropout of x on its way into A
   * @param rows of x and y
   */
  LoraLinear(Device device, Tensor w, Tensor a, Tensor b, float alpha, float dropout, long rows) {
    kernels = device.kernels();
    weight = new Weight(Weight.Format.PACKED, w.size(0), w.size(1));
    packed = device.allocate(DType.U8, kernels.weightPrepareBytes(w, weight.format()));
    kernels.weightPrepare(w, packed, weight);
    int rank = (int) a.size(0);
    mask = new RandomKey(0, 0);
    List<Lora.Group> allColumns = List.of(new Lora.Group(0, weight.n()));
    lora = new Lora(a, b, allColumns, rank, alpha / rank, dropout, mask);
    h = device.allocate(DType.F32, rows, rank);
    workspace =
        device.allocate(
            DType.U8,
            Math.max(
                kernels.loraLinearForwardWorkspace(rows, weight, lora),
                kernels.loraLinearBackwardWorkspace(rows, weight, lora)));
  }

  /** x [rows, k] to y [rows, n], with another dropout mask than the step before. */
  void forward(Tensor x, Tensor y) {
    mask.step(mask.step() + 1);
    kernels.loraLinearForward(x, weight, null, lora, null, h, y, workspace);
  }

  /** Of the last forward pass, whose mask is drawn again. Gradients are written, not added to. */
  void backward(Tensor dy, Tensor x, Tensor dX, Tensor dA, Tensor dB) {
    kernels.loraLinearBackward(dy, x, weight, lora, h, null, dX, dA, dB, null, null, workspace);
  }

  @Override
  public void close() {
    workspace.close();
    h.close();
    packed.close();
  }
}
