// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import io.github.lorikeet.cli.bench.Body;
import io.github.lorikeet.cli.bench.ModelBody;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.autograd.LoraAdapter;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.model.VitConfig;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Whole steps of a vision transformer, eager, as timm's code computes them. */
final class VitPeers {
  private VitPeers() {}

  static List<Variant> of(DType type, boolean training) {
    return Transformer.variants(
        type,
        training,
        (body, fused, fusedOptimizer) -> new Vit(body, Torch.type(type), fused, fusedOptimizer));
  }

  private static final class Vit implements Program {
    private final VisionTransformer model;
    private final VitConfig config;
    private final Transformer layers;
    private final Tensor images;
    private final Tensor targets;
    private final OptimizerPeers.Steps optimizer;

    Vit(Body body, ScalarType type, boolean fused, boolean fusedOptimizer) {
      model = (VisionTransformer) ((ModelBody<?>) body).model();
      config = model.config();
      layers = new Transformer(model.parameters(), type, fused);
      images = Torch.of(body.tensors().get("images")).toType(type);
      boolean training = body.tensors().containsKey("targets");
      targets = training ? Torch.of(body.tensors().get("targets")).toType(type) : null;
      optimizer =
          training
              ? OptimizerPeers.sgdSteps(layers.trained(), body.learningRate(), 0, fusedOptimizer)
              : null;
    }

    private Tensor adapt(Tensor x, Tensor y, String module) {
      LoraAdapter lora = model.linears().get(module).lora();
      if (lora == null) {
        return y;
      }
      long r = lora.rank();
      long k = config.width();
      boolean training = optimizer != null;
      Tensor dropped = torch.dropout(x, lora.dropout(), training);
      Tensor a = layers.weight(module + ".lora_A");
      Tensor h = Torch.times(torch.linear(dropped, a), lora.scaling());
      Tensor b = layers.weight(module + ".lora_B");
      Tensor q = torch.linear(h.narrow(2, 0, r), b.narrow(0, 0, k));
      Tensor v = torch.linear(h.narrow(2, r, r), b.narrow(0, k, k));
      return y.add(torch.cat(new TensorVector(q, torch.zeros_like(q), v), 2));
    }

    private Tensor logits() {
      Tensor x = Transformer.call(this::tokens);
      x = layers.blocks(x, "blocks", config.depth(), config.heads(), this::adapt);
      Tensor pooled = x.narrow(1, 1, config.patches()).mean(1);
      return layers.linear(layers.norm(pooled, "fc_norm"), "head");
    }

    private Tensor tokens() {
      Tensor patches = layers.patches(images);
      Tensor first = layers.weight("cls_token").expand(images.size(0), 1, config.width());
      return torch.cat(new TensorVector(first, patches), 1).add(layers.weight("pos_embed"));
    }

    @Override
    public Map<String, Tensor> run() {
      if (optimizer == null) {
        try (NoGradGuard none = new NoGradGuard()) {
          return Map.of("logits", logits());
        }
      }
      optimizer.zeroGradients();
      Tensor logits = logits();
      Tensor loss = torch.binary_cross_entropy_with_logits(logits, targets);
      loss.backward();
      optimizer.step();
      Map<String, Tensor> results = new HashMap<>();
      results.put("logits", logits.detach());
      results.put("loss", loss.detach());
      layers.addGradients(results);
      return results;
    }
  }
}
