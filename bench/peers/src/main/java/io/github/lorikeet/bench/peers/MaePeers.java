// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import io.github.lorikeet.cli.bench.Body;
import io.github.lorikeet.cli.bench.ModelBody;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.vision.model.MaskedAutoencoder;
import io.github.lorikeet.vision.model.VitConfig;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** A masked autoencoder's step, eager, as its authors' code computes it. */
final class MaePeers {
  private static final double BETA2 = 0.95;
  private static final double TARGET_EPS = 1e-6;

  private MaePeers() {}

  static List<Variant> of(DType type) {
    return Transformer.variants(
        type,
        true,
        (body, fused, fusedOptimizer) -> new Mae(body, Torch.type(type), fused, fusedOptimizer));
  }

  private static final class Mae implements Program {
    private final VitConfig config;
    private final MaskedAutoencoder.Decoder decoder;
    private final Transformer layers;
    private final Tensor images;
    private final Tensor visiblePatches;
    private final Tensor visible;
    private final Tensor masked;
    private final Tensor maskedPatches;
    private final OptimizerPeers.Steps optimizer;

    Mae(Body body, ScalarType type, boolean fused, boolean fusedOptimizer) {
      MaskedAutoencoder model = (MaskedAutoencoder) ((ModelBody<?>) body).model();
      config = model.config();
      decoder = model.decoder();
      layers = new Transformer(model.parameters(), type, fused);
      images = Torch.of(body.tensors().get("images"));
      visible = indices(body, "visible");
      visiblePatches = visible.narrow(1, 1, visible.size(1) - 1).sub(new Scalar(1));
      masked = indices(body, "masked");
      maskedPatches = indices(body, "masked_patches");
      optimizer =
          OptimizerPeers.adamWSteps(
              layers.trained(), body.learningRate(), BETA2, 0, fusedOptimizer);
    }

    private static Tensor indices(Body body, String name) {
      return Torch.of(body.tensors().get(name)).toType(ScalarType.Long);
    }

    /** Whole rows [batch, n, width] that indices [batch, n] name, as an index of elements. */
    private static Tensor rows(Tensor indices, long width) {
      return indices.unsqueeze(2).expand(indices.size(0), indices.size(1), width);
    }

    private Tensor prediction() {
      Tensor x = Transformer.call(this::tokens);
      x = layers.blocks(x, "blocks", config.depth(), config.heads(), Transformer.Adapter.NONE);
      Tensor seen = layers.linear(layers.norm(x, "norm"), "decoder_embed");
      Tensor y = Transformer.call(() -> scatter(seen));
      y =
          layers.blocks(
              y, "decoder_blocks", decoder.depth(), decoder.heads(), Transformer.Adapter.NONE);
      Tensor hidden = y.gather(1, rows(masked, decoder.width()));
      return layers.linear(layers.norm(hidden, "decoder_norm"), "decoder_pred");
    }

    /** The visible tokens in their places, the mask token in all others, with positions. */
    private Tensor scatter(Tensor seen) {
      long width = decoder.width();
      return layers
          .weight("mask_token")
          .expand(images.size(0), config.tokens(), width)
          .scatter(1, rows(visible, width), seen)
          .add(layers.weight("decoder_pos_embed"));
    }

    /** What the encoder sees: the class token and the visible patches. */
    private Tensor tokens() {
      long width = config.width();
      Tensor position = layers.weight("pos_embed");
      Tensor patches =
          layers
              .patches(images.toType(layers.type()))
              .add(position.narrow(1, 1, config.patches()))
              .gather(1, rows(visiblePatches, width));
      Tensor first =
          layers.weight("cls_token").add(position.narrow(1, 0, 1)).expand(images.size(0), 1, width);
      return torch.cat(new TensorVector(first, patches), 1);
    }

    /** The masked patches' pixels, each patch normalised, f32. */
    private Tensor target() {
      long pixels = (long) config.patch() * config.patch();
      Tensor all = PatchPeers.unfold(images, config.patch()).flatten(2, 4);
      Tensor chosen = all.gather(1, rows(maskedPatches, pixels));
      Tensor mean = chosen.mean(new long[] {2}, true, new ScalarTypeOptional());
      Tensor deviation = chosen.var(new long[] {2}, true, true).add(new Scalar(TARGET_EPS)).sqrt();
      return chosen.sub(mean).div(deviation);
    }

    @Override
    public Map<String, Tensor> run() {
      optimizer.zeroGradients();
      Tensor target = Transformer.call(this::target);
      Tensor prediction = prediction().toType(ScalarType.Float);
      Tensor loss = torch.mse_loss(prediction, target);
      loss.backward();
      optimizer.step();
      Map<String, Tensor> results = new HashMap<>();
      results.put("loss", loss.detach());
      layers.addGradients(results);
      return results;
    }
  }
}
