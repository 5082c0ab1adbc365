// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import io.github.lorikeet.cli.bench.Body;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/** Patch embedding: tokens [batch, 1 + patches, n] of images [batch, channels, side, side]. */
final class PatchPeers {
  private static final long PATCH = 16;

  private PatchPeers() {}

  static List<Variant> forward() {
    return List.of(
        new Variant("convolution", body -> new Convolution(body)),
        new Variant("unfolded, one product", body -> new Product(body)));
  }

  /** The patches' features [batch, patches, n] by a convolution with the patch as its stride. */
  static Tensor convolve(Tensor images, Tensor weight, Tensor bias) {
    long[] patch = {weight.size(2), weight.size(3)};
    return torch
        .conv2d(
            images, weight, Torch.optional(bias), patch, new long[] {0, 0}, new long[] {1, 1}, 1)
        .flatten(2, 3)
        .transpose(1, 2);
  }

  /** Each patch's pixels [batch, patches, channels, patch, patch]. */
  static Tensor unfold(Tensor images, long patch) {
    long rows = images.size(2) / patch;
    long columns = images.size(3) / patch;
    return images
        .view(images.size(0), images.size(1), rows, patch, columns, patch)
        .permute(0, 2, 4, 1, 3, 5)
        .flatten(1, 2);
  }

  private abstract static class Embedding implements Program {
    final Tensor images;
    final Tensor weight;
    final Tensor bias;
    final Tensor position;
    final Tensor classToken;

    Embedding(Body body) {
      weight = Torch.of(body.tensors().get("weight"));
      images = given(body, "images");
      bias = given(body, "bias");
      position = given(body, "position");
      classToken = given(body, "class_token");
    }

    /** In the dtype of the weight. */
    private Tensor given(Body body, String name) {
      return Torch.of(body.tensors().get(name)).toType(weight.scalar_type());
    }

    abstract Tensor embed();

    @Override
    public Map<String, Tensor> run() {
      try (NoGradGuard none = new NoGradGuard()) {
        return Map.of("y", embed());
      }
    }
  }

  /** As timm's code does it. */
  private static final class Convolution extends Embedding {
    private final Tensor filters;

    Convolution(Body body) {
      super(body);
      filters = weight.view(weight.size(0), images.size(1), PATCH, PATCH);
    }

    @Override
    Tensor embed() {
      Tensor patches = convolve(images, filters, bias);
      Tensor first = classToken.expand(images.size(0), 1, weight.size(0));
      return torch.cat(new TensorVector(first, patches), 1).add(position);
    }
  }

  /** Patches laid out as rows of a matrix, each token written once. */
  private static final class Product extends Embedding {
    Product(Body body) {
      super(body);
    }

    @Override
    Tensor embed() {
      long batch = images.size(0);
      long n = weight.size(0);
      long count = position.size(0) - 1;
      Tensor rows = unfold(images, PATCH).reshape(batch * count, weight.size(1));
      Tensor patches = torch.addmm(bias, rows, weight.t()).view(batch, count, n);
      Tensor y = images.new_empty(batch, 1 + count, n);
      y.select(1, 0).copy_(classToken.add(position.select(0, 0)).expand(batch, n));
      torch.add_out(y.narrow(1, 1, count), patches, position.narrow(0, 1, count));
      return y;
    }
  }
}
