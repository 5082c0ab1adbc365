// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.Lora;
import io.github.lorikeet.core.autograd.Linear;
import io.github.lorikeet.core.autograd.LinearOptions;
import io.github.lorikeet.core.autograd.LoraAdapter;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.weights.WeightsException;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * A vision transformer (Dosovitskiy et al., arXiv 2010.11929) for classification, shaped and named
 * as timm's: patch embedding, pre-norm blocks, the mean over the patch tokens, {@code fc_norm},
 * {@code head}.
 */
public final class VisionTransformer {
  /** Standard deviation of a new head's weight: so small that training starts at even odds. */
  private static final double HEAD_DEVIATION = 2e-5;

  private static final double EMBEDDING_DEVIATION = 0.02;

  private final VitConfig config;
  private final int labels;
  private final Initializer initializer;
  private final Layers layers;
  private final Parameter position;
  private final Parameter classToken;

  /**
   * Takes the source's tensors; a missing head and a missing {@code fc_norm} start anew. A position
   * embedding of another grid is resized.
   *
   * @param labels logits an image
   * @param trainable whether training changes the parameter of a name, adapters' included
   * @throws WeightsException if weights of the backbone are missing, do not fit the configuration
   *     or belong to layers that it does not have, or if a head is of another number of labels
   */
  public VisionTransformer(
      VitConfig config,
      int labels,
      WeightSource source,
      Initializer initializer,
      Predicate<String> trainable) {
    this.config = config;
    this.labels = labels;
    this.initializer = initializer;
    layers = new Layers(source, initializer, trainable);
    int width = config.width();
    classToken =
        config.classToken()
            ? layers.add(
                "cls_token",
                () -> initializer.truncatedNormal("cls_token", width, EMBEDDING_DEVIATION),
                1,
                1,
                width)
            : null;
    position = layers.add("pos_embed", position(source));
    layers.addPatchEmbedding(config);
    for (int i = 0; i < config.depth(); i++) {
      layers.addBlock("blocks." + i, width, config.hidden());
    }
    layers.addNewNorm("fc_norm", width);
    layers.addLinear(
        "head",
        layers.add(
            "head.weight",
            () -> initializer.truncatedNormal("head.weight", (long) labels * width, HEAD_DEVIATION),
            labels,
            width),
        layers.add("head.bias", () -> new float[labels], labels));
    source.checkAllUsed("blocks.");
  }

  private HostTensor position(WeightSource source) {
    int width = config.width();
    if (!source.has("pos_embed")) {
      return source.orStart(
          "pos_embed",
          () ->
              initializer.truncatedNormal(
                  "pos_embed", (long) config.tokens() * width, EMBEDDING_DEVIATION),
          1,
          config.tokens(),
          width);
    }
    HostTensor given = source.find("pos_embed");
    int from = VitReader.grid(source, config.leadingTokens());
    if (from == config.grid() || given.size(2) != width) {
      return source.require("pos_embed", 1, from * from + config.leadingTokens(), width);
    }
    source.use(
        "pos_embed",
        "pos_embed resized from "
            + from
            + "x"
            + from
            + " to "
            + config.grid()
            + "x"
            + config.grid()
            + " patches");
    return HostTensor.of(
        PositionEmbedding.resize(
            given.toFloats(), width, config.leadingTokens(), from, config.grid()),
        1,
        config.tokens(),
        width);
  }

  public VitConfig config() {
    return config;
  }

  /** Logits an image. */
  public int labels() {
    return labels;
  }

  /** Every parameter, adapters' included, in the order of the forward pass within the backbone. */
  public Collection<Parameter> parameters() {
    return layers.parameters();
  }

  /** The linear layers by module name, such as {@code blocks.0.attn.qkv}. */
  public Map<String, Linear> linears() {
    return layers.linears();
  }

  /**
   * Gives every block's targets new adapters: A uniform in ±1/sqrt(inputs), B zero, so that the
   * model's outputs are unchanged.
   */
  public void attachLora(LoraTargets targets, int rank, double alpha, float dropout) {
    for (int i = 0; i < config.depth(); i++) {
      String block = "blocks." + i + ".";
      if (!targets.parts().isEmpty()) {
        long width = config.width();
        List<Lora.Group> groups =
            targets.parts().stream().map(part -> new Lora.Group(part * width, width)).toList();
        attachNew(block + "attn.qkv", groups, rank, alpha, dropout);
      }
      for (String module : targets.modules()) {
        long outputs = layers.linear(block + module).outputs();
        attachNew(block + module, List.of(new Lora.Group(0, outputs)), rank, alpha, dropout);
      }
    }
  }

  private void attachNew(
      String module, List<Lora.Group> groups, int rank, double alpha, float dropout) {
    Linear linear = layers.linear(module);
    long most = Math.min(linear.inputs(), linear.outputs());
    if (rank < 1 || rank > most) {
      throw new IllegalArgumentException(
          "rank " + rank + ": expected 1 to " + most + " for " + module);
    }
    long rows = (long) groups.size() * rank;
    long columns = groups.stream().mapToLong(Lora.Group::columns).sum();
    String a = module + ".lora_A";
    double bound = 1 / Math.sqrt(linear.inputs());
    attach(
        module,
        HostTensor.of(initializer.uniform(a, rows * linear.inputs(), bound), rows, linear.inputs()),
        HostTensor.of(new float[Math.toIntExact(columns * rank)], columns, rank),
        groups,
        rank,
        alpha,
        dropout);
  }

  /**
   * Gives a linear layer an adapter of these values.
   *
   * @throws IllegalArgumentException if the model has no such layer or the shapes do not fit it
   */
  public void attach(
      String module,
      HostTensor a,
      HostTensor b,
      List<Lora.Group> groups,
      int rank,
      double alpha,
      float dropout) {
    if (!layers.linears().containsKey(module) || !module.startsWith("blocks.")) {
      throw new IllegalArgumentException("the model has no layer " + module + " to adapt");
    }
    Parameter loraA = layers.add(module + ".lora_A", a);
    Parameter loraB = layers.add(module + ".lora_B", b);
    layers.attach(module, new LoraAdapter(loraA, loraB, groups, rank, alpha, dropout));
  }

  /**
   * A model of the values as they are now, adapters included, with nothing to train: it can be part
   * of another memory plan. Frozen values are shared, trained ones copied.
   */
  public VisionTransformer frozen() {
    Map<String, HostTensor> values = new LinkedHashMap<>();
    parameters().forEach(parameter -> values.put(parameter.name(), valueOf(parameter)));
    VisionTransformer copy =
        new VisionTransformer(
            config, labels, new WeightSource("trained", values), initializer, name -> false);
    linears()
        .forEach(
            (module, linear) -> {
              LoraAdapter lora = linear.lora();
              if (lora != null) {
                copy.attach(
                    module,
                    valueOf(lora.a()),
                    valueOf(lora.b()),
                    lora.groups(),
                    lora.rank(),
                    lora.alpha(),
                    lora.dropout());
              }
            });
    return copy;
  }

  private static HostTensor valueOf(Parameter parameter) {
    return parameter.trainable()
        ? HostTensor.of(parameter.download(), parameter.sizes())
        : parameter.initial();
  }

  /**
   * Records the forward pass.
   *
   * @param images [batch, 1, imageSize, imageSize], normalised grey
   * @param dropPath stochastic depth of the last block, rising linearly from 0 in the first
   * @return logits [batch, labels]
   */
  public Variable forward(Tape tape, Variable images, float dropPath) {
    return forward(tape, images, dropPath, qkv -> {});
  }

  /**
   * @param watcher shown each block's packed queries, keys and values, the first block's first
   */
  Variable forward(Tape tape, Variable images, float dropPath, Consumer<Variable> watcher) {
    Variable x =
        tape.patchEmbed(
            images, config.patch(), layers.linear("patch_embed.proj"), position, classToken);
    for (int i = 0; i < config.depth(); i++) {
      float drop = config.depth() == 1 ? 0 : dropPath * i / (config.depth() - 1);
      x = layers.block(tape, "blocks." + i, x, config.heads(), drop, watcher);
    }
    Variable pooled =
        tape.layerNorm(tape.meanPool(x, config.leadingTokens()), layers.norm("fc_norm"));
    return tape.linear(pooled, layers.linear("head"), LinearOptions.NONE);
  }
}
