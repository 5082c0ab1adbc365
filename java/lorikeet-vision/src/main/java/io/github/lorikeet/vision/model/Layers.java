// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.autograd.LayerNorm;
import io.github.lorikeet.core.autograd.Linear;
import io.github.lorikeet.core.autograd.LinearOptions;
import io.github.lorikeet.core.autograd.LoraAdapter;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;

/** A model's layers by timm's module names, and the parameters they own by tensor names. */
final class Layers {
  static final float LAYER_NORM_EPS = 1e-6f;

  private final WeightSource source;
  private final Initializer initializer;
  private final Predicate<String> trainable;
  private final Map<String, Parameter> parameters = new LinkedHashMap<>();
  private final Map<String, Linear> linears = new LinkedHashMap<>();
  private final Map<String, LayerNorm> norms = new LinkedHashMap<>();

  /**
   * @param trainable whether training changes the parameter of a name
   */
  Layers(WeightSource source, Initializer initializer, Predicate<String> trainable) {
    this.source = source;
    this.initializer = initializer;
    this.trainable = trainable;
  }

  Collection<Parameter> parameters() {
    return Collections.unmodifiableCollection(parameters.values());
  }

  Map<String, Linear> linears() {
    return Collections.unmodifiableMap(linears);
  }

  Parameter add(String name, HostTensor initial) {
    Parameter parameter = new Parameter(name, initial, trainable.test(name));
    parameters.put(name, parameter);
    return parameter;
  }

  Parameter add(String name, Supplier<float[]> start, long... sizes) {
    return add(name, source.orStart(name, start, sizes));
  }

  /** A tensor that starts from nothing only where the whole model does. */
  private Parameter addNeeded(String name, Supplier<float[]> start, long... sizes) {
    return add(name, source.orAnew(name, start, sizes));
  }

  /**
   * W [out, in] and bias. A model from nothing starts as masked autoencoders do (Xavier, zero); a
   * checkpoint must have the weight, and may lack the bias.
   */
  void addLinear(String module, long out, long in) {
    String weight = module + ".weight";
    addLinear(
        module,
        addNeeded(weight, () -> initializer.xavierUniform(weight, out, in), out, in),
        add(module + ".bias", () -> new float[(int) out], out));
  }

  void addLinear(String module, Parameter weight, Parameter bias) {
    linears.put(module, new Linear(weight, bias));
  }

  /** The patch embedding as a convolution's weight [width, channels, patch, patch] and bias. */
  void addPatchEmbedding(VitConfig config) {
    String weight = "patch_embed.proj.weight";
    int patch = config.patch();
    long pixels = (long) config.channels() * patch * patch;
    addLinear(
        "patch_embed.proj",
        addNeeded(
            weight,
            () -> initializer.xavierUniform(weight, config.width(), pixels),
            config.width(),
            config.channels(),
            patch,
            patch),
        add("patch_embed.proj.bias", () -> new float[config.width()], config.width()));
  }

  /** A norm that a checkpoint must have the weight of. */
  void addNorm(String module, long width) {
    addNorm(module, addNeeded(module + ".weight", () -> filled(width, 1), width), width);
  }

  /** A norm that starts anew where a checkpoint lacks it. */
  void addNewNorm(String module, long width) {
    addNorm(module, add(module + ".weight", () -> filled(width, 1), width), width);
  }

  private void addNorm(String module, Parameter weight, long width) {
    norms.put(
        module,
        new LayerNorm(
            weight, add(module + ".bias", () -> new float[(int) width], width), LAYER_NORM_EPS));
  }

  /** One pre-norm transformer block's layers. */
  void addBlock(String block, long width, long hidden) {
    addNorm(block + ".norm1", width);
    addLinear(block + ".attn.qkv", 3 * width, width);
    addLinear(block + ".attn.proj", width, width);
    addNorm(block + ".norm2", width);
    addLinear(block + ".mlp.fc1", hidden, width);
    addLinear(block + ".mlp.fc2", width, hidden);
  }

  void attach(String module, LoraAdapter adapter) {
    Linear plain = linear(module);
    linears.put(module, new Linear(plain.weight(), plain.bias(), adapter));
  }

  Linear linear(String module) {
    return linears.get(module);
  }

  LayerNorm norm(String module) {
    return norms.get(module);
  }

  /**
   * One pre-norm block: x + attention(norm1(x)), then + mlp(norm2(.)).
   *
   * @param x [batch, tokens, width]
   * @param dropPath probability of dropping each residual branch of a sample
   * @param watcher shown the packed queries, keys and values [batch, tokens, 3 x width]
   */
  Variable block(
      Tape tape, String block, Variable x, int heads, float dropPath, Consumer<Variable> watcher) {
    Variable qkv =
        tape.linear(
            tape.layerNorm(x, norm(block + ".norm1")),
            linear(block + ".attn.qkv"),
            LinearOptions.NONE);
    watcher.accept(qkv);
    Variable attended = tape.attention(qkv, heads);
    x = tape.linear(attended, linear(block + ".attn.proj"), residual(tape, x, dropPath));
    Variable hidden =
        tape.linear(
            tape.layerNorm(x, norm(block + ".norm2")),
            linear(block + ".mlp.fc1"),
            LinearOptions.GELU);
    return tape.linear(hidden, linear(block + ".mlp.fc2"), residual(tape, x, dropPath));
  }

  private static LinearOptions residual(Tape tape, Variable x, float dropPath) {
    return LinearOptions.residual(x, tape.dropPathScales(dropPath, x.sizes()[0]));
  }

  static float[] filled(long count, float value) {
    float[] values = new float[Math.toIntExact(count)];
    Arrays.fill(values, value);
    return values;
  }
}
