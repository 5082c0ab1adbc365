// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import io.github.lorikeet.cli.bench.Body;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/** LoRA on query and value of a merged qkv: W [3k, k], a [2r, k], b [2k, r]. */
final class LoraPeers {
  /** alpha of the cases. */
  private static final double ALPHA = 32;

  private LoraPeers() {}

  static List<Variant> forward() {
    return List.of(
        new Variant("as PEFT", body -> new Eager(body, false, true)),
        new Variant("merged as the study", body -> new Eager(body, false, false)),
        new Variant("hand-ordered", body -> new ByHand(body, false)));
  }

  static List<Variant> forwardBackward() {
    return List.of(
        new Variant("as PEFT", body -> new Eager(body, true, true)),
        new Variant("merged as the study", body -> new Eager(body, true, false)),
        new Variant("hand-ordered", body -> new ByHand(body, true)));
  }

  private abstract static class Layer implements Program {
    final Tensor x;
    final Tensor weight;
    final Tensor bias;
    final Tensor a;
    final Tensor b;
    final Tensor dy;
    final long m;
    final long k;
    final long rank;
    final double scaling;
    final double dropout;

    Layer(Body body, boolean backward) {
      x = Torch.of(body.tensors().get("x"));
      weight = Torch.of(body.tensors().get("weight"));
      bias = Torch.of(body.tensors().get("bias")).toType(x.scalar_type());
      a = Torch.of(body.tensors().get("a")).toType(x.scalar_type());
      b = Torch.of(body.tensors().get("b")).toType(x.scalar_type());
      dy = backward ? Torch.of(body.tensors().get("dy")) : null;
      m = x.size(0);
      k = x.size(1);
      rank = b.size(1);
      scaling = ALPHA / rank;
      dropout = body.dropout();
    }
  }

  /** By autograd, all temporaries as the Python code has them. */
  private static final class Eager extends Layer {
    private final boolean plain;
    private final Tensor input;
    private final Tensor loraA;
    private final Tensor loraB;

    /**
     * @param plain whether as PEFT's linear layer, with B of both parts in one matrix with zeros;
     *     else the study's merged layer: a grouped convolution and zero padding
     */
    Eager(Body body, boolean backward, boolean plain) {
      super(body, backward);
      this.plain = plain;
      input = backward ? Torch.leaf(x, x.scalar_type()) : x;
      loraA = backward ? Torch.leaf(a, x.scalar_type()) : a;
      Tensor wide = plain ? wide() : b;
      loraB = backward ? Torch.leaf(wide, x.scalar_type()) : wide;
    }

    /** [[b_q, 0], [0, 0], [0, b_v]]: rank 2r over all columns. */
    private Tensor wide() {
      try (NoGradGuard none = new NoGradGuard()) {
        Tensor wide = torch.zeros_like(torch.cat(new TensorVector(weight, weight), 0));
        wide = wide.narrow(0, 0, 3 * k).narrow(1, 0, 2 * rank).contiguous();
        wide.narrow(0, 0, k).narrow(1, 0, rank).copy_(b.narrow(0, 0, k));
        wide.narrow(0, 2 * k, k).narrow(1, rank, rank).copy_(b.narrow(0, k, k));
        return wide;
      }
    }

    private Tensor update() {
      Tensor h = torch.linear(torch.dropout(input, dropout, true), loraA);
      if (plain) {
        return torch.linear(h, loraB);
      }
      Tensor parts =
          torch.conv1d(
              h.t().unsqueeze(0),
              loraB.unsqueeze(2),
              Torch.optional(new Tensor()),
              new long[] {1},
              new long[] {0},
              new long[] {1},
              2);
      Tensor rows = parts.squeeze(0).t();
      Tensor nothing = torch.zeros_like(rows.narrow(1, 0, k));
      return torch.cat(new TensorVector(rows.narrow(1, 0, k), nothing, rows.narrow(1, k, k)), 1);
    }

    private Tensor forward() {
      return torch.linear(input, weight, bias).add(Torch.times(update(), scaling));
    }

    @Override
    public Map<String, Tensor> run() {
      if (dy == null) {
        try (NoGradGuard none = new NoGradGuard()) {
          return Map.of("y", forward());
        }
      }
      Torch.dropGradients(input, loraA, loraB);
      Tensor y = forward();
      y.backward(dy, Autograd.KEEP_NOTHING, false, Autograd.ALL_INPUTS);
      return Map.of(
          "y", y.detach(), "dx", input.grad(), "da", loraA.grad(), "db", narrow(loraB.grad()));
    }

    private Tensor narrow(Tensor gradient) {
      return plain
          ? torch.cat(
              new TensorVector(
                  gradient.narrow(0, 0, k).narrow(1, 0, rank),
                  gradient.narrow(0, 2 * k, k).narrow(1, rank, rank)),
              0)
          : gradient;
    }
  }

  /** The least work that library calls can do it with: products added in place, masks reused. */
  private static final class ByHand extends Layer {
    ByHand(Body body, boolean backward) {
      super(body, backward);
    }

    @Override
    public Map<String, Tensor> run() {
      try (NoGradGuard none = new NoGradGuard()) {
        Tensor mask = null;
        Tensor masked = x;
        if (dropout > 0) {
          mask = torch.empty_like(x).bernoulli_(1 - dropout, NO_GENERATOR);
          masked = x.mul(mask);
        }
        double c = scaling / (1 - dropout);
        Tensor h = Torch.times(torch.mm(masked, a.t()), c);
        Tensor y = torch.addmm(bias, x, weight.t());
        y.narrow(1, 0, k).addmm_(h.narrow(1, 0, rank), b.narrow(0, 0, k).t());
        y.narrow(1, 2 * k, k).addmm_(h.narrow(1, rank, rank), b.narrow(0, k, k).t());
        return dy == null ? Map.of("y", y) : backward(y, h, mask, masked, c);
      }
    }

    private Map<String, Tensor> backward(Tensor y, Tensor h, Tensor mask, Tensor masked, double c) {
      Tensor dq = dy.narrow(1, 0, k);
      Tensor dv = dy.narrow(1, 2 * k, k);
      Tensor dhQ = torch.mm(dq, b.narrow(0, 0, k));
      Tensor dhV = torch.mm(dv, b.narrow(0, k, k));
      Tensor dh = Torch.times(torch.cat(new TensorVector(dhQ, dhV), 1), c);
      Tensor dbQ = torch.mm(dq.t(), h.narrow(1, 0, rank));
      Tensor dbV = torch.mm(dv.t(), h.narrow(1, rank, rank));
      Tensor dA = torch.mm(dh.t(), masked);
      Tensor dX = torch.mm(dy, weight);
      if (mask == null) {
        dX.addmm_(dh, a);
      } else {
        dX.addcmul_(torch.mm(dh, a), mask, ONE);
      }
      Tensor dB = torch.cat(new TensorVector(dbQ, dbV), 0);
      return Map.of("y", y, "dx", dX, "da", dA, "db", dB);
    }

    private static final org.bytedeco.pytorch.GeneratorOptional NO_GENERATOR =
        new org.bytedeco.pytorch.GeneratorOptional();
    private static final Scalar ONE = new Scalar(1.0);
  }
}
