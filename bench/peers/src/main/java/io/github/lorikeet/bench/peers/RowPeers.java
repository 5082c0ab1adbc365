// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

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

  /** Layer normalisation of rows, with the cases' eps. */
  static final class Norm {
    private Norm() {}

    static Tensor of(Tensor x, Tensor gamma, Tensor beta) {
      long[] width = {gamma.numel()};
      return torch.layer_norm(x, width, Torch.optional(gamma), Torch.optional(beta), 1e-6, true);
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
