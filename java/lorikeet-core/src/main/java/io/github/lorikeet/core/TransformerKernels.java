// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.Lorikeet;

/** The part of {@link Kernels} on what surrounds a transformer's linear layers. */
abstract class TransformerKernels extends LinearKernels {
  TransformerKernels(Device device) {
    super(device);
  }

  /**
   * For each batch entry and head out = softmax(scale q kᵀ) v, every token seeing every other.
   *
   * @param qkv [batch, tokens, 3, heads, head_dim], any strides but the last, which is 1; head_dim
   *     1 to 256
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
    return answer(
        "attention_forward_workspace",
        Lorikeet.lk_attention_forward_workspace(handle(), shape(qkv), answer()));
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
    return answer(
        "attention_backward_workspace",
        Lorikeet.lk_attention_backward_workspace(handle(), shape(qkv), answer()));
  }

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
    return answer(
        "layer_norm_backward_workspace",
        Lorikeet.lk_layer_norm_backward_workspace(handle(), m, k, answer()));
  }

  /**
   * y = x Φ(x), the exact GELU (Hendrycks and Gimpel, arXiv 1606.08415). Rows [m, k]; y may be x
   * (in place).
   */
  public void geluForward(Tensor x, Tensor y) {
    check("gelu_forward", Lorikeet.lk_gelu_forward(handle(), use(x), use(y)));
  }

  /** d_x = dy (Φ(x) + x φ(x)). Rows [m, k]; d_x may be dy or x (in place). */
  public void geluBackward(Tensor x, Tensor dy, Tensor dX) {
    check("gelu_backward", Lorikeet.lk_gelu_backward(handle(), use(x), use(dy), use(dX)));
  }

  /**
   * A vision transformer's first layer (Dosovitskiy et al., arXiv 2010.11929): images cut into
   * squares, row by row; token t of the patches = patch · Wᵀ + bias + position[t].
   *
   * @param images [batch, channels, height, width], last stride 1; a channel stride of 0 repeats
   *     one channel
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
    return answer(
        "patch_embed_forward_workspace",
        Lorikeet.lk_patch_embed_forward_workspace(
            handle(), shape(images), patch, shape(w), answer()));
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
    return answer(
        "patch_embed_backward_workspace",
        Lorikeet.lk_patch_embed_backward_workspace(handle(), shape(images), patch, n, answer()));
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
   * d_x [batch, tokens, k]: rows of dy [batch, s, k] back in their places, zero elsewhere. The
   * indices of a batch entry must differ.
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
    return answer(
        "token_scatter_forward_workspace",
        Lorikeet.lk_token_scatter_forward_workspace(handle(), batch, tokens, answer()));
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
    return answer(
        "token_scatter_backward_workspace",
        Lorikeet.lk_token_scatter_backward_workspace(handle(), batch, tokens, k, answer()));
  }
}
