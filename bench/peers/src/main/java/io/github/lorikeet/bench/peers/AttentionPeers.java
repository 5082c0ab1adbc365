// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import io.github.lorikeet.cli.bench.Body;
import io.github.lorikeet.core.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Attention over a packed qkv [batch, tokens, 3, heads, d]. */
final class AttentionPeers {
  private AttentionPeers() {}

  static List<Variant> forward(DType type) {
    return variants(type, false);
  }

  static List<Variant> forwardBackward(DType type) {
    return variants(type, true);
  }

  /** In bf16 libtorch's fused attention is many times slower than the plain one. */
  private static List<Variant> variants(DType type, boolean backward) {
    List<Variant> all = new ArrayList<>();
    if (type == DType.F32) {
      all.add(new Variant("fused", body -> new Attention(body, backward, true)));
      all.add(new Variant("fused, 1 BLAS thread", 1, body -> new Attention(body, backward, true)));
    }
    all.add(new Variant("plain", body -> new Attention(body, backward, false)));
    return all;
  }

  /** [b, t, h, d] by libtorch's scaled_dot_product_attention, or by two products and a softmax. */
  static Tensor attention(Tensor qkv, boolean fused) {
    Tensor parts = qkv.permute(2, 0, 3, 1, 4);
    Tensor q = parts.select(0, 0);
    Tensor k = parts.select(0, 1);
    Tensor v = parts.select(0, 2);
    if (fused) {
      return torch.scaled_dot_product_attention(q, k, v).transpose(1, 2);
    }
    double scale = 1 / Math.sqrt(qkv.size(4));
    Tensor scores = torch.matmul(Torch.times(q, scale), k.transpose(2, 3));
    return torch.matmul(torch.softmax(scores, 3), v).transpose(1, 2);
  }

  private static final class Attention implements Program {
    private final Tensor qkv;
    private final Tensor dOut;
    private final boolean fused;

    Attention(Body body, boolean backward, boolean fused) {
      Tensor given = Torch.of(body.tensors().get("qkv"));
      this.fused = fused;
      qkv = backward ? Torch.leaf(given, given.scalar_type()) : given;
      dOut = backward ? Torch.of(body.tensors().get("dout")) : null;
    }

    @Override
    public Map<String, Tensor> run() {
      if (dOut == null) {
        try (NoGradGuard none = new NoGradGuard()) {
          return Map.of("out", attention(qkv, fused).contiguous());
        }
      }
      Torch.dropGradients(qkv);
      Tensor out = attention(qkv, fused).contiguous();
      out.backward(dOut, Autograd.KEEP_NOTHING, false, Autograd.ALL_INPUTS);
      return Map.of("out", out.detach(), "dqkv", qkv.grad());
    }
  }
}
