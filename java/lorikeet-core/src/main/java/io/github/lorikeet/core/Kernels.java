// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static io.github.lorikeet.core.LorikeetException.check;

import io.github.lorikeet.core.ffi.Lorikeet;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The native operations, one method a function of {@code lorikeet.h}, under its name.
 *
 * <ul>
 *   <li>"Rows [m, k]" is any tensor whose last dimension is contiguous and whose leading ones
 *       collapse to m rows of one stride: [batch, tokens, k] will do. Everything is f32 unless said
 *       otherwise.
 *   <li>An argument called optional may be null.
 *   <li>Outputs come last, are overwritten unless flags ask to add to them, and share no memory with
 *       inputs except where "in place" is said.
 *   <li>A workspace is a contiguous {@link DType#U8} tensor, aligned to 64 bytes, of at least as many
 *       bytes as the {@code ...Workspace} method answers; null where that is 0. Workspace methods
 *       look at shapes only: tensors may be unplaced and weights not yet prepared.
 *   <li>Every method throws {@link LorikeetException} where the native function refuses its arguments,
 *       having written nothing, and {@link IllegalStateException} where a tensor or the device is
 *       closed. None of them allocates.
 * </ul>
 */
public final class Kernels {
  /** Flag: add to d_x instead of overwriting it. */
  public static final int ADD_TO_D_X = 1;

  /** Flag: add to the gradients of parameters instead of overwriting them. */
  public static final int ADD_TO_PARAMETERS = 2;

  private final Device device;
  private final MemorySegment answer = Arena.ofAuto().allocate(ValueLayout.JAVA_LONG);

  Kernels(Device device) {
    this.device = device;
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

  // ---- Elementwise

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

  // ---- Randomness

  /** tensor [n]: independent uniform numbers in [0, 1]. */
  public void randomUniform(RandomKey random, Tensor tensor) {
    check("random_uniform", Lorikeet.lk_random_uniform(handle(), use(random), use(tensor)));
  }

  /**
   * Stochastic depth (Huang et al., arXiv 1603.09382): scales [samples] are 0 with probability p,
   * else 1/(1-p). 0 <= p < 1.
   */
  public void dropPathScales(float p, RandomKey random, Tensor scales) {
    check(
        "drop_path_scales",
        Lorikeet.lk_drop_path_scales(handle(), p, use(random), use(scales)));
  }

  // ---- Weights

  /** Bytes of storage that {@link #weightPrepare} needs for w, rows [n, k]; 0 for a plain one. */
  public long weightPrepareBytes(Tensor w, Weight.Format format) {
    check(
        "weight_prepare_bytes",
        Lorikeet.lk_weight_prepare_bytes(handle(), shape(w), format.code(), answer));
    return answer();
  }

  /**
   * Prepares a weight from w, rows [n, k]. After {@link Weight.Format#PACKED} w is no longer needed.
   *
   * @param storage u8, aligned to 64 bytes, of {@link #weightPrepareBytes} bytes; null for a plain
   *     weight, which points into w
   */
  public void weightPrepare(Tensor w, Tensor storage, Weight weight) {
    if (w != null && w.elements() != weight.n() * weight.k()) {
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

  // ---- Linear

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
    check(
        "linear_forward_workspace",
        Lorikeet.lk_linear_forward_workspace(handle(), m, shape(w), answer));
    return answer();
  }

  /**
   * d_x = dy W, d_weight = dyᵀ x, d_bias = column sums of dy; each optional, at least one given. The
   * gradient of the epilogue's residual is dy itself; a GELU in it is the caller's, by {@link
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
    check(
        "linear_backward_workspace",
        Lorikeet.lk_linear_backward_workspace(handle(), m, shape(w), answer));
    return answer();
  }

  // ---- Fused LoRA linear

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
    check(
        "lora_linear_forward_workspace",
        Lorikeet.lk_lora_linear_forward_workspace(handle(), m, shape(w), shape(lora), answer));
    return answer();
  }

  /**
   * With dh_g = c dy[:, group g] B_g: d_a = dhᵀ (mask ∘ x), d_b_g = dy[:, group g]ᵀ h_g, d_x = dy W +
   * mask ∘ (dh A); d_weight and d_bias as {@link #linearBackward} has them. d_x, d_weight and d_bias
   * are optional.
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
    check(
        "lora_linear_backward_workspace",
        Lorikeet.lk_lora_linear_backward_workspace(handle(), m, shape(w), shape(lora), answer));
    return answer();
  }

  // ---- Attention

  /**
   * For each batch entry and head out = softmax(scale q kᵀ) v, every token seeing every other.
   *
   * @param qkv [batch, tokens, 3, heads, head_dim], any strides but the last, which is 1; head_dim 1
   *     to 256
   * @param out [batch, tokens, heads, head_dim], the last stride 1
   * @param logSumExp [batch, heads, tokens] of the scaled scores, saved for the backward pass; null
   *     when none follows
   */
  public void attentionForward(
      Tensor qkv, float scale, Tensor out, Tensor logSumExp, Tensor workspace) {
    check(
        "attention_forward",
        Lorikeet.lk_attention_forward(
            handle(),
            use(qkv),
            scale,
            use(out),
            use(logSumExp),
            data(workspace),
            bytes(workspace)));
  }

  /** Bytes for {@link #attentionForward} with this shape of qkv. */
  public long attentionForwardWorkspace(Tensor qkv) {
    check(
        "attention_forward_workspace",
        Lorikeet.lk_attention_forward_workspace(handle(), shape(qkv), answer));
    return answer();
  }

  /**
   * d_qkv, shaped as qkv, from d_out, shaped as out.
   *
   * @param out as the forward pass made it
   * @param logSumExp as the forward pass saved it
   */
  public void attentionBackward(
      Tensor qkv,
      float scale,
      Tensor out,
      Tensor logSumExp,
      Tensor dOut,
      Tensor dQkv,
      Tensor workspace) {
    check(
        "attention_backward",
        Lorikeet.lk_attention_backward(
            handle(),
            use(qkv),
            scale,
            use(out),
            use(logSumExp),
            use(dOut),
            use(dQkv),
            data(workspace),
            bytes(workspace)));
  }

  /** Bytes for {@link #attentionBackward} with this shape of qkv. */
  public long attentionBackwardWorkspace(Tensor qkv) {
    check(
        "attention_backward_workspace",
        Lorikeet.lk_attention_backward_workspace(handle(), shape(qkv), answer));
    return answer();
  }

  // ---- LayerNorm, GELU

  /**
   * y = (x - mean) rstd gamma + beta a row (Ba et al., arXiv 1607.06450), rstd = 1/sqrt(variance +
   * eps).
   *
   * @param x rows [m, k]
   * @param gamma [k]
   * @param beta [k]
   * @param y rows [m, k]
   * @param statistics [m, 2]: mean and rstd, saved for the backward pass; null when none follows
   */
  public void layerNormForward(
      Tensor x, Tensor gamma, Tensor beta, float eps, Tensor y, Tensor statistics) {
    check(
        "layer_norm_forward",
        Lorikeet.lk_layer_norm_forward(
            handle(), use(x), use(gamma), use(beta), eps, use(y), use(statistics)));
  }

  /**
   * The gradients, each optional, at least one given.
   *
   * @param dy rows [m, k]
   * @param x rows [m, k]
   * @param gamma [k]
   * @param statistics [m, 2], as the forward pass saved them
   * @param flags {@link #ADD_TO_D_X} (how a residual branch's gradient joins), {@link
   *     #ADD_TO_PARAMETERS}
   * @param dX rows [m, k]
   * @param dGamma [k]
   * @param dBeta [k]
   */
  public void layerNormBackward(
      Tensor dy,
      Tensor x,
      Tensor gamma,
      Tensor statistics,
      int flags,
      Tensor dX,
      Tensor dGamma,
      Tensor dBeta,
      Tensor workspace) {
    check(
        "layer_norm_backward",
        Lorikeet.lk_layer_norm_backward(
            handle(),
            use(dy),
            use(x),
            use(gamma),
            use(statistics),
            flags,
            use(dX),
            use(dGamma),
            use(dBeta),
            data(workspace),
            bytes(workspace)));
  }

  /** Bytes for {@link #layerNormBackward} of rows [m, k]. */
  public long layerNormBackwardWorkspace(long m, long k) {
    check(
        "layer_norm_backward_workspace",
        Lorikeet.lk_layer_norm_backward_workspace(handle(), m, k, answer));
    return answer();
  }

  /**
   * y = x Φ(x), the exact GELU (Hendrycks and Gimpel, arXiv 1606.08415). Rows [m, k]; y may be x (in
   * place).
   */
  public void geluForward(Tensor x, Tensor y) {
    check("gelu_forward", Lorikeet.lk_gelu_forward(handle(), use(x), use(y)));
  }

  /** d_x = dy (Φ(x) + x φ(x)). Rows [m, k]; d_x may be dy or x (in place). */
  public void geluBackward(Tensor x, Tensor dy, Tensor dX) {
    check("gelu_backward", Lorikeet.lk_gelu_backward(handle(), use(x), use(dy), use(dX)));
  }

  // ---- Patches and tokens

  /**
   * A vision transformer's first layer (Dosovitskiy et al., arXiv 2010.11929): images cut into
   * squares, row by row; token t of the patches = patch · Wᵀ + bias + position[t].
   *
   * @param images [batch, channels, height, width], last stride 1; a channel stride of 0 repeats one
   *     channel
   * @param patch side of a square; divides height and width
   * @param w [n, channels * patch * patch] in the order channel, row, column
   * @param bias [n], optional
   * @param position rows [tokens, n], optional
   * @param classToken [n], optional: token 0 (+ position[0]), the patches follow
   * @param y [batch, tokens, n]
   */
  public void patchEmbedForward(
      Tensor images,
      long patch,
      Weight w,
      Tensor bias,
      Tensor position,
      Tensor classToken,
      Tensor y,
      Tensor workspace) {
    check(
        "patch_embed_forward",
        Lorikeet.lk_patch_embed_forward(
            handle(),
            use(images),
            patch,
            use(w),
            use(bias),
            use(position),
            use(classToken),
            use(y),
            data(workspace),
            bytes(workspace)));
  }

  /** Bytes for {@link #patchEmbedForward} with this shape of images. */
  public long patchEmbedForwardWorkspace(Tensor images, long patch, Weight w) {
    check(
        "patch_embed_forward_workspace",
        Lorikeet.lk_patch_embed_forward_workspace(
            handle(), shape(images), patch, shape(w), answer));
    return answer();
  }

  /**
   * Gradients of the parameters, each optional, at least one given.
   *
   * @param dy [batch, tokens, n], one token more than there are patches where a class token leads
   * @param images as in the forward pass
   * @param flags {@link #ADD_TO_PARAMETERS}
   * @param dWeight rows [n, channels * patch * patch]
   * @param dBias [n]
   * @param dPosition rows [tokens, n]
   * @param dClassToken [n]
   */
  public void patchEmbedBackward(
      Tensor dy,
      Tensor images,
      long patch,
      int flags,
      Tensor dWeight,
      Tensor dBias,
      Tensor dPosition,
      Tensor dClassToken,
      Tensor workspace) {
    check(
        "patch_embed_backward",
        Lorikeet.lk_patch_embed_backward(
            handle(),
            use(dy),
            use(images),
            patch,
            flags,
            use(dWeight),
            use(dBias),
            use(dPosition),
            use(dClassToken),
            data(workspace),
            bytes(workspace)));
  }

  /** Bytes for {@link #patchEmbedBackward} with this shape of images and n outputs. */
  public long patchEmbedBackwardWorkspace(Tensor images, long patch, long n) {
    check(
        "patch_embed_backward_workspace",
        Lorikeet.lk_patch_embed_backward_workspace(handle(), shape(images), patch, n, answer));
    return answer();
  }

  /** y [batch, k] = mean of tokens firstToken.. of x [batch, tokens, k], last stride 1. */
  public void meanPoolForward(Tensor x, long firstToken, Tensor y) {
    check("mean_pool_forward", Lorikeet.lk_mean_pool_forward(handle(), use(x), firstToken, use(y)));
  }

  /**
   * d_x [batch, tokens, k] = dy [batch, k] / (tokens - firstToken); zero for the tokens left out.
   */
  public void meanPoolBackward(Tensor dy, long firstToken, Tensor dX) {
    check(
        "mean_pool_backward",
        Lorikeet.lk_mean_pool_backward(handle(), use(dy), firstToken, use(dX)));
  }

  /** y [batch, s, k] = the tokens indices [batch, s] (i32) of x [batch, tokens, k]. */
  public void tokenGatherForward(Tensor x, Tensor indices, Tensor y) {
    check(
        "token_gather_forward",
        Lorikeet.lk_token_gather_forward(handle(), use(x), use(indices), use(y)));
  }

  /**
   * d_x [batch, tokens, k]: rows of dy [batch, s, k] back in their places, zero elsewhere. The indices
   * of a batch entry must differ.
   */
  public void tokenGatherBackward(Tensor dy, Tensor indices, Tensor dX) {
    check(
        "token_gather_backward",
        Lorikeet.lk_token_gather_backward(handle(), use(dy), use(indices), use(dX)));
  }

  /**
   * The way back, for a masked autoencoder's decoder (He et al., arXiv 2111.06377).
   *
   * @param x [batch, s, k]
   * @param indices [batch, s], i32, distinct in a batch entry: where x's tokens go
   * @param fill [k], the token everywhere else
   * @param position rows [tokens, k], added to all; optional
   * @param y [batch, tokens, k]
   */
  public void tokenScatterForward(
      Tensor x, Tensor indices, Tensor fill, Tensor position, Tensor y, Tensor workspace) {
    check(
        "token_scatter_forward",
        Lorikeet.lk_token_scatter_forward(
            handle(),
            use(x),
            use(indices),
            use(fill),
            use(position),
            use(y),
            data(workspace),
            bytes(workspace)));
  }

  /** Bytes for {@link #tokenScatterForward}. */
  public long tokenScatterForwardWorkspace(long batch, long tokens) {
    check(
        "token_scatter_forward_workspace",
        Lorikeet.lk_token_scatter_forward_workspace(handle(), batch, tokens, answer));
    return answer();
  }

  /**
   * d_x = dy at the indices, d_fill = sum of dy elsewhere; each optional, at least one given.
   *
   * @param dy [batch, tokens, k]
   * @param indices [batch, s], i32, as in the forward pass
   * @param flags {@link #ADD_TO_PARAMETERS}, for d_fill
   * @param dX [batch, s, k]
   * @param dFill [k]
   */
  public void tokenScatterBackward(
      Tensor dy, Tensor indices, int flags, Tensor dX, Tensor dFill, Tensor workspace) {
    check(
        "token_scatter_backward",
        Lorikeet.lk_token_scatter_backward(
            handle(),
            use(dy),
            use(indices),
            flags,
            use(dX),
            use(dFill),
            data(workspace),
            bytes(workspace)));
  }

  /** Bytes for {@link #tokenScatterBackward}. */
  public long tokenScatterBackwardWorkspace(long batch, long tokens, long k) {
    check(
        "token_scatter_backward_workspace",
        Lorikeet.lk_token_scatter_backward_workspace(handle(), batch, tokens, k, answer));
    return answer();
  }

  // ---- Losses

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
    check(
        "patch_mse_forward_workspace",
        Lorikeet.lk_patch_mse_forward_workspace(handle(), batch, s, answer));
    return answer();
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

  // ---- Optimisers

  /**
   * norm [1] = the 2-norm of all gradients together; scale [1] = min(1, maxNorm / (norm + 1e-6)) for
   * the optimisers' gradientScale. maxNorm <= 0 asks for a scale of 1.
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
    check(
        "gradient_norm_workspace",
        Lorikeet.lk_gradient_norm_workspace(
            handle(), parameters.shape(), parameters.count(), answer));
    return answer();
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

  // ---- What native functions take for each kind of argument; NULL for null

  private MemorySegment handle() {
    return device.handle();
  }

  private long answer() {
    return answer.get(ValueLayout.JAVA_LONG, 0);
  }

  MemorySegment use(Tensor tensor) {
    if (tensor == null) {
      return MemorySegment.NULL;
    }
    MemorySegment descriptor = tensor.descriptor();
    if (tensor.device() != device) {
      throw new IllegalArgumentException(
          tensor + " is memory of another " + tensor.device() + ", expected this one's");
    }
    return descriptor;
  }

  private static MemorySegment shape(Tensor tensor) {
    return tensor == null ? MemorySegment.NULL : tensor.shapeDescriptor();
  }

  private MemorySegment use(Weight weight) {
    return weight == null ? MemorySegment.NULL : weight.use(this);
  }

  private static MemorySegment shape(Weight weight) {
    return weight == null ? MemorySegment.NULL : weight.shape();
  }

  private MemorySegment use(Lora lora) {
    return lora == null ? MemorySegment.NULL : lora.use(this);
  }

  private static MemorySegment shape(Lora lora) {
    return lora == null ? MemorySegment.NULL : lora.shape();
  }

  private MemorySegment use(Epilogue epilogue) {
    return epilogue == null ? MemorySegment.NULL : epilogue.use(this);
  }

  private MemorySegment use(LinearBackwardOptions options) {
    return options == null ? MemorySegment.NULL : options.use(this);
  }

  private static MemorySegment use(RandomKey random) {
    return random == null ? MemorySegment.NULL : random.struct();
  }

  /** The memory of a workspace or of a weight's storage. */
  private MemorySegment data(Tensor memory) {
    if (memory == null) {
      return MemorySegment.NULL;
    }
    use(memory);
    if (!memory.isContiguous()) {
      throw new IllegalArgumentException(memory + ", expected contiguous memory");
    }
    return memory.data();
  }

  private static long bytes(Tensor memory) {
    return memory == null ? 0 : memory.bytes();
  }
}
