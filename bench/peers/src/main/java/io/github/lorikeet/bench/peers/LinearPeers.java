// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import io.github.lorikeet.cli.bench.Body;
import io.github.lorikeet.cli.bench.Case;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Linear layers with frozen weights. */
final class LinearPeers {
  private LinearPeers() {}

  static List<Variant> forward(Case subject) {
    return List.of(new Variant("eager", body -> new Forward(body, subject.shape())));
  }

  static List<Variant> forwardBackward(Case subject) {
    return List.of(
        new Variant("autograd", body -> new ForwardBackward(body, subject.shape())),
        new Variant("by hand", body -> new ByHand(body, subject.shape())));
  }

  private static class Forward implements Program {
    final Tensor x;
    final Tensor weight;
    final Tensor bias;
    final Tensor residual;
    final boolean gelu;

    Forward(Body body, String shape) {
      x = Torch.of(body.tensors().get("x"));
      weight = Torch.of(body.tensors().get("weight"));
      bias = Torch.of(body.tensors().get("bias")).toType(x.scalar_type());
      residual =
          body.tensors().containsKey("residual") ? Torch.of(body.tensors().get("residual")) : null;
      gelu = shape.contains("gelu");
    }

    Tensor forward(Tensor input) {
      Tensor y = torch.linear(input, weight, bias);
      y = gelu ? torch.gelu(y) : y;
      return residual == null ? y : y.add(residual);
    }

    @Override
    public Map<String, Tensor> run() {
      try (NoGradGuard none = new NoGradGuard()) {
        return Map.of("y", forward(x));
      }
    }
  }

  /** What the case does backward: dx = dy W, and GELU's derivative where x came out of one. */
  private static class ByHand extends Forward {
    final Tensor dy;
    final Tensor preActivation;

    ByHand(Body body, String shape) {
      super(body, shape);
      dy = Torch.of(body.tensors().get("dy"));
      preActivation =
          body.tensors().containsKey("x_pre_activation")
              ? Torch.of(body.tensors().get("x_pre_activation"))
              : null;
    }

    Tensor finish(Tensor dX) {
      return preActivation == null ? dX : torch.gelu_backward(dX, preActivation);
    }

    @Override
    public Map<String, Tensor> run() {
      try (NoGradGuard none = new NoGradGuard()) {
        return Map.of("y", forward(x), "dx", finish(torch.mm(dy, weight)));
      }
    }
  }

  /** The same by autograd. A GELU behind the product is not part of the case's backward pass. */
  private static final class ForwardBackward extends ByHand {
    private final Tensor leaf;

    ForwardBackward(Body body, String shape) {
      super(body, shape);
      leaf = Torch.leaf(x, x.scalar_type());
    }

    @Override
    public Map<String, Tensor> run() {
      Torch.dropGradients(leaf);
      Tensor z = torch.linear(leaf, weight, bias);
      Tensor y;
      try (NoGradGuard none = new NoGradGuard()) {
        y = gelu ? torch.gelu(z) : z;
        y = residual == null ? y : y.add(residual);
      }
      z.backward(dy, Autograd.KEEP_NOTHING, false, Autograd.ALL_INPUTS);
      try (NoGradGuard none = new NoGradGuard()) {
        return Map.of("y", y, "dx", finish(leaf.grad()));
      }
    }
  }
}
