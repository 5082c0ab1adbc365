// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.Lorikeet;

/** The part of {@link Kernels} on linear layers. */
abstract class LinearKernels extends KernelCalls {
  LinearKernels(Device device) {
    super(device);
  }

  /** Bytes of storage that {@link #weightPrepare} needs for w, rows [n, k]; 0 for a plain one. */
  public long weightPrepareBytes(Tensor w, Weight.Format format) {
    return answer(
        "weight_prepare_bytes",
        Lorikeet.lk_weight_prepare_bytes(handle(), shape(w), format.code(), answer()));
  }

  /**
   * Prepares a weight from w, rows [n, k]. After {@link Weight.Format#PACKED} w is no longer
   * needed.
   *
   * @param storage u8, aligned to 64 bytes, of {@link #weightPrepareBytes} bytes; null for a plain
   *     weight, which points into w
   */
  public void weightPrepare(Tensor w, Tensor storage, Weight weight) {
    if (w != null && !isFor(weight, w)) {
      throw new IllegalArgumentException("w: " + w.shape() + ", expected the rows of " + weight);
    }
    check(
        "weight_prepare",
        Lorikeet.lk_weight_prepare(
            handle(),
            use(w),
            weight.format().code(),
            data(storage),
            bytes(storage),
            weight.shape()));
    weight.prepared(storage == null ? w : storage);
  }

  private static boolean isFor(Weight weight, Tensor w) {
    return w.type() == weight.type()
        && w.elements() == weight.n() * weight.k()
        && w.size(w.rank() - 1) == weight.k();
  }

  /**
   * y = x Wᵀ + bias, and the epilogue.
   *
   * @param x rows [m, k]
   * @param w [n, k]
   * @param bias [n], optional
   * @param epilogue optional
   * @param y rows [m, n]
   */
  public void linearForward(
      Tensor x, Weight w, Tensor bias, Epilogue epilogue, Tensor y, Tensor workspace) {
    check(
        "linear_forward",
        Lorikeet.lk_linear_forward(
            handle(),
            use(x),
            use(w),
            use(bias),
            use(epilogue),
            use(y),
            data(workspace),
            bytes(workspace)));
  }

  /** Bytes for any {@link #linearForward} with m rows against w. */
  public long linearForwardWorkspace(long m, Weight w) {
    return answer(
        "linear_forward_workspace",
        Lorikeet.lk_linear_forward_workspace(handle(), m, shape(w), answer()));
  }

  /**
   * d_x = dy W, d_weight = dyᵀ x, d_bias = column sums of dy; each optional, at least one given.
   * The gradient of the epilogue's residual is dy itself; a GELU in it is the caller's, by {@link
   * #geluBackward} or the next layer's {@link LinearBackwardOptions#xPreActivation}.
   *
   * @param dy rows [m, n]
   * @param x rows [m, k], for d_weight only, else null
   * @param options optional
   * @param dX rows [m, k]
   * @param dWeight rows [n, k]
   * @param dBias [n]
   */
  public void linearBackward(
      Tensor dy,
      Tensor x,
      Weight w,
      LinearBackwardOptions options,
      Tensor dX,
      Tensor dWeight,
      Tensor dBias,
      Tensor workspace) {
    check(
        "linear_backward",
        Lorikeet.lk_linear_backward(
            handle(),
            use(dy),
            use(x),
            use(w),
            use(options),
            use(dX),
            use(dWeight),
            use(dBias),
            data(workspace),
            bytes(workspace)));
  }

  /** Bytes for any {@link #linearBackward} with m rows against w. */
  public long linearBackwardWorkspace(long m, Weight w) {
    return answer(
        "linear_backward_workspace",
        Lorikeet.lk_linear_backward_workspace(handle(), m, shape(w), answer()));
  }

  /**
   * With c = scaling / (1 - dropout) and one mask for all groups: h = c (mask ∘ x) Aᵀ; z = x Wᵀ +
   * bias, z[:, group g] += h_g B_gᵀ; then the epilogue.
   *
   * @param x rows [m, k]
   * @param w [n, k]
   * @param bias [n], optional
   * @param epilogue optional
   * @param h rows [m, groups * rank], saved for the backward pass; null when none follows
   * @param y rows [m, n]
   */
  public void loraLinearForward(
      Tensor x,
      Weight w,
      Tensor bias,
      Lora lora,
      Epilogue epilogue,
      Tensor h,
      Tensor y,
      Tensor workspace) {
    check(
        "lora_linear_forward",
        Lorikeet.lk_lora_linear_forward(
            handle(),
            use(x),
            use(w),
            use(bias),
            use(lora),
            use(epilogue),
            use(h),
            use(y),
            data(workspace),
            bytes(workspace)));
  }

  /** Bytes for any {@link #loraLinearForward} with m rows against w. */
  public long loraLinearForwardWorkspace(long m, Weight w, Lora lora) {
    return answer(
        "lora_linear_forward_workspace",
        Lorikeet.lk_lora_linear_forward_workspace(handle(), m, shape(w), shape(lora), answer()));
  }

  /**
   * With dh_g = c dy[:, group g] B_g: d_a = dhᵀ (mask ∘ x), d_b_g = dy[:, group g]ᵀ h_g, d_x = dy W
   * + mask ∘ (dh A); d_weight and d_bias as {@link #linearBackward} has them. d_x, d_weight and
   * d_bias are optional.
   *
   * @param dy rows [m, n]
   * @param x rows [m, k]
   * @param h as the forward pass saved it
   * @param options optional
   * @param dX rows [m, k]
   * @param dA shaped as a
   * @param dB shaped as b
   * @param dWeight rows [n, k]
   * @param dBias [n]
   */
  public void loraLinearBackward(
      Tensor dy,
      Tensor x,
      Weight w,
      Lora lora,
      Tensor h,
      LinearBackwardOptions options,
      Tensor dX,
      Tensor dA,
      Tensor dB,
      Tensor dWeight,
      Tensor dBias,
      Tensor workspace) {
    check(
        "lora_linear_backward",
        Lorikeet.lk_lora_linear_backward(
            handle(),
            use(dy),
            use(x),
            use(w),
            use(lora),
            use(h),
            use(options),
            use(dX),
            use(dA),
            use(dB),
            use(dWeight),
            use(dBias),
            data(workspace),
            bytes(workspace)));
  }

  /** Bytes for any {@link #loraLinearBackward} with m rows against w. */
  public long loraLinearBackwardWorkspace(long m, Weight w, Lora lora) {
    return answer(
        "lora_linear_backward_workspace",
        Lorikeet.lk_lora_linear_backward_workspace(handle(), m, shape(w), shape(lora), answer()));
  }
}
