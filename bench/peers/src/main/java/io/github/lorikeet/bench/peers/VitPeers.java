// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import io.github.lorikeet.cli.bench.Body;
import io.github.lorikeet.cli.bench.ModelBody;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.autograd.LoraAdapter;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.model.VitConfig;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.SGD;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Whole steps of a vision transformer, eager, as timm's code computes them. */
final class VitPeers {
  private VitPeers() {}

  /** In bf16 all weights are bf16, and attention is plain: the fused one is many times slower. */
  static List<Variant> of(DType type) {
    Variant plain = new Variant("plain attention", body -> new Vit(body, Torch.type(type), false));
    return type == DType.F32
        ? List.of(
            new Variant("fused attention", body -> new Vit(body, Torch.type(type), true)), plain)
        : List.of(plain);
  }

  private static final class Vit implements Program {
    private final VisionTransformer model;
    private final VitConfig config;
    private final boolean fused;
    private final Map<String, Tensor> weights = new HashMap<>();
    private final Tensor images;
    private final Tensor targets;
    private final SGD optimizer;

    Vit(Body body, ScalarType type, boolean fused) {
      model = ((ModelBody) body).model();
      config = model.config();
      this.fused = fused;
      images = Torch.of(body.tensors().get("images")).toType(type);
      TensorVector trained = new TensorVector();
      for (Parameter parameter : model.parameters()) {
        HostTensor host = parameter.initial();
        Tensor given = Torch.at(host.data().address(), host.type(), host.sizes());
        Tensor weight = parameter.trainable() ? Torch.leaf(given, type) : given.toType(type);
        weights.put(parameter.name(), weight);
        if (parameter.trainable()) {
          trained.push_back(weight);
        }
      }
      boolean training = body.tensors().containsKey("targets");
      targets = training ? Torch.of(body.tensors().get("targets")).toType(type) : null;
      SGDOptions options = new SGDOptions(1e-9);
      options.momentum().put(0.9);
      optimizer = training ? new SGD(trained, options) : null;
    }

    private Tensor weight(String name) {
      return weights.get(name);
    }

    private Tensor linear(Tensor x, String name) {
      return torch.linear(x, weight(name + ".weight"), weight(name + ".bias"));
    }

    private Tensor norm(Tensor x, String name) {
      return RowPeers.Norm.of(x, weight(name + ".weight"), weight(name + ".bias"));
    }

    private Tensor qkv(Tensor x, String name) {
      Tensor y = linear(x, name);
      LoraAdapter lora = model.linears().get(name).lora();
      if (lora == null) {
        return y;
      }
      long r = lora.rank();
      long k = config.width();
      boolean training = optimizer != null;
      Tensor dropped = torch.dropout(x, lora.dropout(), training);
      Tensor h = Torch.times(torch.linear(dropped, weight(name + ".lora_A")), lora.scaling());
      Tensor b = weight(name + ".lora_B");
      Tensor q = torch.linear(h.narrow(2, 0, r), b.narrow(0, 0, k));
      Tensor v = torch.linear(h.narrow(2, r, r), b.narrow(0, k, k));
      return y.add(torch.cat(new TensorVector(q, torch.zeros_like(q), v), 2));
    }

    private Tensor logits() {
      long batch = images.size(0);
      long width = config.width();
      Tensor pixels =
          images.expand(batch, config.channels(), config.imageSize(), config.imageSize());
      long patch = config.patch();
      Tensor patches =
          torch.conv2d(
              pixels,
              weight("patch_embed.proj.weight"),
              Torch.optional(weight("patch_embed.proj.bias")),
              new long[] {patch, patch},
              new long[] {0, 0},
              new long[] {1, 1},
              1);
      Tensor tokens = patches.flatten(2, 3).transpose(1, 2);
      Tensor first = weight("cls_token").expand(batch, 1, width);
      Tensor x = torch.cat(new TensorVector(first, tokens), 1).add(weight("pos_embed"));
      for (int i = 0; i < config.depth(); i++) {
        x = block(x, "blocks." + i + ".");
      }
      Tensor pooled = x.narrow(1, 1, config.patches()).mean(1);
      return linear(norm(pooled, "fc_norm"), "head");
    }

    private Tensor block(Tensor x, String name) {
      Tensor qkv = qkv(norm(x, name + "norm1"), name + "attn.qkv");
      long heads = config.heads();
      long d = config.width() / heads;
      Tensor split = qkv.view(qkv.size(0), qkv.size(1), 3, heads, d);
      Tensor out = AttentionPeers.attention(split, fused).reshape(x.size(0), x.size(1), heads * d);
      x = x.add(linear(out, name + "attn.proj"));
      Tensor hidden = torch.gelu(linear(norm(x, name + "norm2"), name + "mlp.fc1"));
      return x.add(linear(hidden, name + "mlp.fc2"));
    }

    @Override
    public Map<String, Tensor> run() {
      if (optimizer == null) {
        try (NoGradGuard none = new NoGradGuard()) {
          return Map.of("logits", logits());
        }
      }
      optimizer.zero_grad();
      Tensor logits = logits();
      Tensor loss = torch.binary_cross_entropy_with_logits(logits, targets);
      loss.backward();
      optimizer.step();
      return Map.of("logits", logits.detach(), "loss", loss.detach());
    }
  }
}
