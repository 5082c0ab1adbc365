// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import io.github.lorikeet.cli.bench.Body;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.autograd.Parameter;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** A transformer's layers over copies of a model's parameters, eager, as timm's code has them. */
final class Transformer {
  /** Adds to a linear layer's output. */
  interface Adapter {
    Adapter NONE = (x, y, module) -> y;

    /**
     * @param x the layer's input
     * @param y its output
     * @param module its name, such as {@code blocks.0.attn.qkv}
     */
    Tensor apply(Tensor x, Tensor y, String module);
  }

  /** Makes a program over the numbers of a body, its attention and its optimiser fused or not. */
  interface Maker {
    Program make(Body body, boolean fused, boolean fusedOptimizer);
  }

  private final ScalarType type;
  private final boolean fused;
  private final Map<String, Tensor> weights = new LinkedHashMap<>();
  private final Map<String, Tensor> trained = new LinkedHashMap<>();

  /**
   * @param type of activations and all weights
   * @param fused whether attention is libtorch's fused one
   */
  Transformer(Collection<Parameter> parameters, ScalarType type, boolean fused) {
    this.type = type;
    this.fused = fused;
    for (Parameter parameter : parameters) {
      HostTensor host = parameter.initial();
      Tensor given = Torch.at(host.data().address(), host.type(), host.sizes());
      if (parameter.trainable()) {
        trained.put(parameter.name(), Torch.leaf(given, type));
      }
      host.unload();
      weights.put(
          parameter.name(),
          parameter.trainable() ? trained.get(parameter.name()) : given.toType(type));
    }
  }

  /** In bf16 all weights are bf16, and attention is plain: the fused one is many times slower. */
  static List<Variant> variants(DType type, boolean training, Maker maker) {
    boolean fused = type == DType.F32;
    List<Variant> variants = new ArrayList<>();
    if (fused) {
      variants.add(new Variant("fused attention", body -> maker.make(body, true, false)));
    }
    variants.add(new Variant("plain attention", body -> maker.make(body, false, false)));
    if (training) {
      variants.add(
          new Variant(
              (fused ? "fused" : "plain") + " attention, fused optimiser",
              body -> maker.make(body, fused, true)));
    }
    return variants;
  }

  ScalarType type() {
    return type;
  }

  Tensor weight(String name) {
    return weights.get(name);
  }

  TensorVector trained() {
    return new TensorVector(trained.values().toArray(Tensor[]::new));
  }

  /**
   * Adds the gradients under the names that cases have them by; in 16 bits without those of
   * normalisations, see {@link RowPeers#layerNormBackward}.
   */
  void addGradients(Map<String, Tensor> results) {
    trained.forEach(
        (name, leaf) -> {
          if (type == ScalarType.Float || !name.contains("norm")) {
            results.put("gradient of " + name, leaf.grad());
          }
        });
  }

  /**
   * Does work and lets go of all its temporaries but the result, as leaving a function of Python's
   * does: else they would stay until the whole step ends.
   */
  static Tensor call(Supplier<Tensor> work) {
    PointerScope outer = PointerScope.getInnerScope();
    try (PointerScope scope = new PointerScope()) {
      Tensor result = work.get();
      outer.attach(result);
      return result;
    }
  }

  Tensor linear(Tensor x, String name) {
    return torch.linear(x, weight(name + ".weight"), weight(name + ".bias"));
  }

  Tensor norm(Tensor x, String name) {
    return RowPeers.Norm.of(x, weight(name + ".weight"), weight(name + ".bias"));
  }

  /** The patches' features [batch, patches, width] of grey images. */
  Tensor patches(Tensor images) {
    Tensor weight = weight("patch_embed.proj.weight");
    Tensor pixels = images.expand(images.size(0), weight.size(1), images.size(2), images.size(3));
    return PatchPeers.convolve(pixels, weight, weight("patch_embed.proj.bias"));
  }

  /**
   * Pre-norm blocks one after another.
   *
   * @param x what they begin with, closed here
   * @param name such as {@code blocks}
   */
  Tensor blocks(Tensor x, String name, int depth, long heads, Adapter adapter) {
    Tensor y = x;
    for (int i = 0; i < depth; i++) {
      try (Tensor input = y) {
        y = block(input, name + "." + i, heads, adapter);
      }
    }
    return y;
  }

  private Tensor block(Tensor x, String name, long heads, Adapter adapter) {
    Tensor between =
        call(
            () -> {
              Tensor out = call(() -> attention(norm(x, name + ".norm1"), name, heads, adapter));
              return x.add(linear(out, name + ".attn.proj"));
            });
    return call(
        () -> {
          Tensor hidden =
              call(() -> torch.gelu(linear(norm(between, name + ".norm2"), name + ".mlp.fc1")));
          return between.add(linear(hidden, name + ".mlp.fc2"));
        });
  }

  private Tensor attention(Tensor x, String name, long heads, Adapter adapter) {
    Tensor qkv = call(() -> adapter.apply(x, linear(x, name + ".attn.qkv"), name + ".attn.qkv"));
    long width = x.size(2);
    Tensor split = qkv.view(x.size(0), x.size(1), 3, heads, width / heads);
    return AttentionPeers.attention(split, fused).reshape(x.size(0), x.size(1), width);
  }
}
