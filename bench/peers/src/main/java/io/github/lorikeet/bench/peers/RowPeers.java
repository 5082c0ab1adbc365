// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.BoolPointer;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** What works row by row. */
final class RowPeers {
  private RowPeers() {}

  static List<Variant> layerNorm() {
    return List.of(
        new Variant(
            "eager",
            body -> {
              Tensor x = Torch.of(body.tensors().get("x"));
              Tensor gamma = Torch.of(body.tensors().get("gamma")).toType(x.scalar_type());
              Tensor beta = Torch.of(body.tensors().get("beta")).toType(x.scalar_type());
              return () -> {
                try (NoGradGuard none = new NoGradGuard()) {
                  return Map.of("y", Norm.of(x, gamma, beta));
                }
              };
            }));
  }

  /**
   * What autograd calls, with the statistics that its forward pass left. gamma's and beta's
   * gradients are summed in the dtype of x: in 16 bits they are some 9 % off, and left aside.
   */
  static List<Variant> layerNormBackward() {
    return List.of(
        new Variant(
            "eager",
            body -> {
              Tensor x = Torch.of(body.tensors().get("x"));
              Tensor dy = Torch.of(body.tensors().get("dy"));
              TensorOptional gamma =
                  Torch.optional(Torch.of(body.tensors().get("gamma")).toType(x.scalar_type()));
              TensorOptional beta =
                  Torch.optional(Torch.of(body.tensors().get("beta")).toType(x.scalar_type()));
              long[] width = {x.size(1)};
              T_TensorTensorTensor_T forward =
                  torch.native_layer_norm(x, width, gamma, beta, Norm.EPS);
              // Copies: what a tuple gives out lives no longer than the tuple.
              Tensor mean = forward.get1().clone();
              Tensor deviation = forward.get2().clone();
              BoolPointer all = new BoolPointer(3).put(0, true).put(1, true).put(2, true);
              return () -> {
                try (NoGradGuard none = new NoGradGuard()) {
                  T_TensorTensorTensor_T gradients =
                      torch.native_layer_norm_backward(
                          dy, x, width, mean, deviation, gamma, beta, all);
                  Tensor dX = gradients.get0();
                  return x.scalar_type() == ScalarType.Float
                      ? Map.of("dx", dX, "dgamma", gradients.get1(), "dbeta", gradients.get2())
                      : Map.of("dx", dX);
                }
              };
            }));
  }

  /** Layer normalisation of rows, with the cases' eps. */
  static final class Norm {
    static final double EPS = 1e-6;

    private Norm() {}

    static Tensor of(Tensor x, Tensor gamma, Tensor beta) {
      long[] width = {gamma.numel()};
      return torch.layer_norm(x, width, Torch.optional(gamma), Torch.optional(beta), EPS, true);
    }
  }

  static List<Variant> gelu() {
    return List.of(
        new Variant(
            "eager",
            body -> {
              Tensor x = Torch.of(body.tensors().get("x"));
              return () -> {
                try (NoGradGuard none = new NoGradGuard()) {
                  return Map.of("y", torch.gelu(x));
                }
              };
            }));
  }

  static List<Variant> geluBackward() {
    return List.of(
        new Variant(
            "eager",
            body -> {
              Tensor x = Torch.of(body.tensors().get("x"));
              Tensor dy = Torch.of(body.tensors().get("dy"));
              return () -> {
                try (NoGradGuard none = new NoGradGuard()) {
                  return Map.of("dx", torch.gelu_backward(dy, x));
                }
              };
            }));
  }
}
