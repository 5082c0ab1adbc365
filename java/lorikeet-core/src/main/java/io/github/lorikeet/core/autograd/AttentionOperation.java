// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.Gradient.Contribution;

/**
 * Bidirectional softmax attention over a packed qkv [batch, tokens, 3 * heads * d]. Saves qkv, the
 * output and the scores' log-sum-exp [batch, heads, tokens].
 */
final class AttentionOperation extends Operation {
  private final Variable qkv;
  private final Tensor qkvByHead;
  private final Tensor out;
  private final long[] outByHead;
  private final float scale;
  private final Call forward;

  /** Written by the forward call if not null. */
  private Tensor logSumExp;

  AttentionOperation(Recording recording, Variable qkv, int heads) {
    super(recording);
    this.qkv = recording.use(qkv);
    long[] sizes = qkv.sizes();
    if (sizes.length != 3 || heads < 1 || sizes[2] % (3L * heads) != 0) {
      throw new IllegalArgumentException(
          qkv + ": expected [batch, tokens, 3 * heads * d] of " + heads + " heads");
    }
    long d = sizes[2] / (3L * heads);
    scale = (float) (1 / Math.sqrt(d));
    qkvByHead = qkv.tensor().reshape(sizes[0], sizes[1], 3, heads, d);
    outByHead = new long[] {sizes[0], sizes[1], heads, d};
    out = Tensor.unplaced(qkv.type(), sizes[0], sizes[1], heads * d);
    Tensor outView = out.reshape(outByHead);
    Kernels kernels = recording.kernels;
    Tensor workspace = recording.workspace(kernels.attentionForwardWorkspace(qkvByHead));
    forward =
        recording
            .call(
                "attention_forward",
                () -> kernels.attentionForward(qkvByHead, scale, outView, logSumExp, workspace))
            .reads(qkv.tensor())
            .writes(out, workspace);
    output(out, qkv.requiresGradient());
  }

  @Override
  void backward(Tensor dy) {
    Kernels kernels = recording.kernels;
    logSumExp = Tensor.unplaced(DType.F32, outByHead[0], outByHead[2], outByHead[1]);
    forward.writes(logSumExp);
    Contribution dQkv = qkv.contribute(false);
    Tensor outView = out.reshape(outByHead);
    Tensor dOutView = dy.reshape(outByHead);
    Tensor dQkvView = dQkv.tensor().reshape(qkvByHead.sizes());
    Tensor workspace = recording.workspace(kernels.attentionBackwardWorkspace(qkvByHead));
    recording
        .call(
            "attention_backward",
            () ->
                kernels.attentionBackward(
                    qkvByHead, scale, outView, logSumExp, dOutView, dQkvView, workspace))
        .reads(qkv.tensor(), out, logSumExp, dy)
        .writes(dQkv.tensor(), workspace);
    dQkv.join();
  }
}
