// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.Lorikeet;

/**
 * The native operations of {@code lorikeet.h}, a method each, under its name; devices and memory
 * are {@link Device}'s and {@link Tensor}'s.
 *
 * <ul>
 *   <li>"Rows [m, k]" is any tensor whose last dimension is contiguous and whose leading ones
 *       collapse to m rows of one stride: [batch, tokens, k] will do. Everything is f32 unless said
 *       otherwise.
 *   <li>An argument called optional may be null.
 *   <li>Outputs come last, are overwritten unless flags ask to add to them, and share no memory
 *       with inputs except where "in place" is said.
 *   <li>A workspace is a contiguous {@link DType#U8} tensor, aligned to 64 bytes, of at least as
 *       many bytes as the {@code ...Workspace} method answers; null where that is 0. Workspace
 *       methods look at shapes only: tensors may be unplaced and weights not yet prepared.
 *   <li>Every method throws {@link LorikeetException} where the native function refuses its
 *       arguments, having written nothing, and {@link IllegalStateException} where a tensor or the
 *       device is closed. None of them allocates.
 * </ul>
 */
public final class Kernels extends TransformerKernels {
  /** Flag: add to d_x instead of overwriting it. */
  public static final int ADD_TO_D_X = 1;

  /** Flag: add to the gradients of parameters instead of overwriting them. */
  public static final int ADD_TO_PARAMETERS = 2;

  Kernels(Device device) {
    super(device);
  }

  /**
   * Which kernel ran in the calling thread's last operation, such as {@code linear_forward avx512
   * m=1576 n=2304 k=768}; empty before the first.
   */
  public String describe() {
    return Lorikeet.lk_describe().getString(0);
  }

  /** The native library's version. */
  public String version() {
    return Lorikeet.lk_version().getString(0);
  }

  /** Sets every element of a tensor (any strides) to value. */
  public void fill(Tensor tensor, float value) {
    check("fill", Lorikeet.lk_fill(handle(), use(tensor), value));
  }

  /** y = a + b, rows of one shape; y may be a or b (in place). */
  public void add(Tensor a, Tensor b, Tensor y) {
    check("add", Lorikeet.lk_add(handle(), use(a), use(b), use(y)));
  }

  /**
   * Copies any strided tensor to another of the same sizes, converting f32, bf16 and f16 into each
   * other (to nearest even), u8 to f32 and i32 to i32.
   */
  public void convert(Tensor source, Tensor destination) {
    check("convert", Lorikeet.lk_convert(handle(), use(source), use(destination)));
  }

  /** tensor [n]: independent uniform numbers in [0, 1]. */
  public void randomUniform(RandomKey random, Tensor tensor) {
    check("random_uniform", Lorikeet.lk_random_uniform(handle(), use(random), use(tensor)));
  }

  /**
   * Stochastic depth (Huang et al., arXiv 1603.09382): scales [samples] are 0 with probability p,
   * else 1/(1-p). 0 <= p < 1.
   */
  public void dropPathScales(float p, RandomKey random, Tensor scales) {
    check("drop_path_scales", Lorikeet.lk_drop_path_scales(handle(), p, use(random), use(scales)));
  }

  /**
   * loss [1] = mean binary cross-entropy of sigmoid(logits) against targets (0 to 1), both rows
   * [batch, labels].
   */
  public void bceWithLogitsForward(Tensor logits, Tensor targets, Tensor loss) {
    check(
        "bce_with_logits_forward",
        Lorikeet.lk_bce_with_logits_forward(handle(), use(logits), use(targets), use(loss)));
  }

  /**
   * d_logits = d_loss (sigmoid(logits) - targets) / (batch * labels).
   *
   * @param dLoss what the loss is multiplied by, such as 1 / accumulation steps
   */
  public void bceWithLogitsBackward(Tensor logits, Tensor targets, float dLoss, Tensor dLogits) {
    check(
        "bce_with_logits_backward",
        Lorikeet.lk_bce_with_logits_backward(
            handle(), use(logits), use(targets), dLoss, use(dLogits)));
  }

  /**
   * A masked autoencoder's loss [1]: the mean squared difference of predicted patches and those of
   * the images, each normalised by its own mean and unbiased variance + eps.
   *
   * @param prediction rows [batch, s, patch * patch * channels] in the order row, column, channel
   * @param images [batch, channels, height, width]
   * @param indices [batch, s], i32: which patches, counted row by row without a class token
   */
  public void patchMseForward(
      Tensor prediction,
      Tensor images,
      long patch,
      Tensor indices,
      float eps,
      Tensor loss,
      Tensor workspace) {
    check(
        "patch_mse_forward",
        Lorikeet.lk_patch_mse_forward(
            handle(),
            use(prediction),
            use(images),
            patch,
            use(indices),
            eps,
            use(loss),
            data(workspace),
            bytes(workspace)));
  }

  /** Bytes for {@link #patchMseForward} of s patches an image. */
  public long patchMseForwardWorkspace(long batch, long s) {
    return answer(
        "patch_mse_forward_workspace",
        Lorikeet.lk_patch_mse_forward_workspace(handle(), batch, s, answer()));
  }

  /** d_prediction, shaped as prediction, of {@link #patchMseForward}'s loss times dLoss. */
  public void patchMseBackward(
      Tensor prediction,
      Tensor images,
      long patch,
      Tensor indices,
      float eps,
      float dLoss,
      Tensor dPrediction) {
    check(
        "patch_mse_backward",
        Lorikeet.lk_patch_mse_backward(
            handle(),
            use(prediction),
            use(images),
            patch,
            use(indices),
            eps,
            dLoss,
            use(dPrediction)));
  }

  /**
   * norm [1] = the 2-norm of all gradients together; scale [1] = min(1, maxNorm / (norm + 1e-6))
   * for the optimisers' gradientScale. maxNorm <= 0 asks for a scale of 1.
   */
  public void gradientNorm(
      ParameterArray parameters, float maxNorm, Tensor norm, Tensor scale, Tensor workspace) {
    check(
        "gradient_norm",
        Lorikeet.lk_gradient_norm(
            handle(),
            parameters.use(this),
            parameters.count(),
            maxNorm,
            use(norm),
            use(scale),
            data(workspace),
            bytes(workspace)));
  }

  /** Bytes for {@link #gradientNorm}. */
  public long gradientNormWorkspace(ParameterArray parameters) {
    return answer(
        "gradient_norm_workspace",
        Lorikeet.lk_gradient_norm_workspace(
            handle(), parameters.shape(), parameters.count(), answer()));
  }

  /**
   * g = gradient gradientScale + weight_decay value; m = momentum m + g; value -= learningRate
   * learning_rate_scale m.
   *
   * @param gradientScale [1], optional
   */
  public void sgdStep(
      ParameterArray parameters, float learningRate, float momentum, Tensor gradientScale) {
    check(
        "sgd_step",
        Lorikeet.lk_sgd_step(
            handle(),
            parameters.use(this),
            parameters.count(),
            learningRate,
            momentum,
            use(gradientScale)));
  }

  /**
   * AdamW (Loshchilov and Hutter, arXiv 1711.05101), with decoupled weight decay and bias
   * correction.
   *
   * @param step counts from 1
   * @param gradientScale [1], optional
   */
  public void adamwStep(
      ParameterArray parameters,
      float learningRate,
      float beta1,
      float beta2,
      float eps,
      long step,
      Tensor gradientScale) {
    check(
        "adamw_step",
        Lorikeet.lk_adamw_step(
            handle(),
            parameters.use(this),
            parameters.count(),
            learningRate,
            beta1,
            beta2,
            eps,
            step,
            use(gradientScale)));
  }
}
