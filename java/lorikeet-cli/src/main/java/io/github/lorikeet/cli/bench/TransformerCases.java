// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.ParameterArray;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.Weight;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** What surrounds a ViT-B's linear layers: attention, normalisation, GELU, patches, optimisers. */
final class TransformerCases {
  private static final long WIDTH = 768;
  private static final long HEADS = 12;

  /** Rows of what is bound by memory: more than caches hold. */
  private static final long ROWS = 12608;

  /** Parameters of a ViT-B. */
  private static final long PARAMETERS = 85_800_000;

  private TransformerCases() {}

  static List<Case> of(DType type) {
    return List.of(
        attention(8, 197, type, false),
        attention(8, 197, type, true),
        attention(2, 785, type, false),
        attention(2, 785, type, true),
        layerNorm(type, false),
        layerNorm(type, true),
        gelu(type, false),
        gelu(type, true),
        patchEmbed(8, type));
  }

  /** Whose state is f32 whatever the activations are. */
  static List<Case> optimizers() {
    return List.of(optimizer("sgd-step", 1), optimizer("adamw-step", 2));
  }

  /** Tensors, and a call over them. */
  private record Call(Tensors all, Runnable call, float learningRate) implements Body {
    @Override
    public void run() {
      call.run();
    }

    @Override
    public Map<String, Tensor> tensors() {
      return all.all();
    }

    @Override
    public void close() {
      all.close();
    }
  }

  private static Function<Device, Body> body(Function<Context, Runnable> make) {
    return body(0, make);
  }

  private static Function<Device, Body> body(float learningRate, Function<Context, Runnable> make) {
    return device -> {
      Tensors tensors = new Tensors(device);
      Runnable call = make.apply(new Context(tensors, device.kernels()));
      return new Call(tensors, call, learningRate);
    };
  }

  private record Context(Tensors tensors, Kernels kernels) {}

  private static Case attention(long batch, long tokens, DType type, boolean backward) {
    double square = (double) batch * tokens * tokens * WIDTH;
    double row = (double) type.bytes() * batch * tokens * WIDTH;
    Work forward = new Work(4 * square, 4 * row);
    return new Case(
        backward ? "attention-forward-backward" : "attention-forward",
        tokens + " tokens batch=" + batch,
        type,
        backward ? forward.plus(new Work(10 * square, 8 * row)) : forward,
        body(
            c -> {
              long d = WIDTH / HEADS;
              Tensor qkv = c.tensors.filled("qkv", type, 1, batch, tokens, 3, HEADS, d);
              Tensor out = c.tensors.zeros("out", type, batch, tokens, HEADS, d);
              Tensor lse = c.tensors.zeros("log_sum_exp", DType.F32, batch, HEADS, tokens);
              float scale = 1 / (float) Math.sqrt(d);
              Tensor work = c.tensors.workspace(c.kernels.attentionForwardWorkspace(qkv));
              if (!backward) {
                return () -> c.kernels.attentionForward(qkv, scale, out, lse, work);
              }
              Tensor dOut = c.tensors.filled("dout", type, 1, batch, tokens, HEADS, d);
              Tensor dQkv = c.tensors.zeros("dqkv", type, batch, tokens, 3, HEADS, d);
              Tensor back = c.tensors.workspace(c.kernels.attentionBackwardWorkspace(qkv));
              return () -> {
                c.kernels.attentionForward(qkv, scale, out, lse, work);
                c.kernels.attentionBackward(qkv, scale, out, lse, dOut, dQkv, back);
              };
            }));
  }

  /** Forward reads x and writes y, backward reads dy too. */
  private static Work pass(double operations, double bytes, boolean backward) {
    return backward
        ? new Work(operations, 3 * bytes, Work.Pass.SUM)
        : new Work(operations, 2 * bytes, Work.Pass.COPY);
  }

  private static Case layerNorm(DType type, boolean backward) {
    double elements = (double) ROWS * WIDTH;
    return new Case(
        backward ? "layer-norm-backward" : "layer-norm-forward",
        "M=" + ROWS,
        type,
        pass((backward ? 12 : 8) * elements, elements * type.bytes(), backward),
        body(
            c -> {
              Tensor x = c.tensors.filled("x", type, 1, ROWS, WIDTH);
              Tensor gamma = c.tensors.filled("gamma", DType.F32, 1, WIDTH);
              Tensor beta = c.tensors.filled("beta", DType.F32, 1, WIDTH);
              Tensor y = c.tensors.zeros("y", type, ROWS, WIDTH);
              Tensor statistics = c.tensors.zeros("statistics", DType.F32, ROWS, 2);
              c.kernels.layerNormForward(x, gamma, beta, 1e-6f, y, statistics);
              if (!backward) {
                return () -> c.kernels.layerNormForward(x, gamma, beta, 1e-6f, y, statistics);
              }
              Tensor dy = c.tensors.filled("dy", type, 1, ROWS, WIDTH);
              Tensor dX = c.tensors.zeros("dx", type, ROWS, WIDTH);
              Tensor dGamma = c.tensors.zeros("dgamma", DType.F32, WIDTH);
              Tensor dBeta = c.tensors.zeros("dbeta", DType.F32, WIDTH);
              Tensor work = c.tensors.workspace(c.kernels.layerNormBackwardWorkspace(ROWS, WIDTH));
              return () ->
                  c.kernels.layerNormBackward(dy, x, gamma, statistics, 0, dX, dGamma, dBeta, work);
            }));
  }

  private static Case gelu(DType type, boolean backward) {
    long k = 4 * WIDTH;
    double elements = (double) ROWS * k;
    return new Case(
        backward ? "gelu-backward" : "gelu-forward",
        "M=" + ROWS,
        type,
        // Counted as nothing but its memory traffic: how erf is computed is the kernel's affair.
        pass(0, elements * type.bytes(), backward),
        body(
            c -> {
              Tensor x = c.tensors.filled("x", type, 4, ROWS, k);
              if (!backward) {
                Tensor y = c.tensors.zeros("y", type, ROWS, k);
                return () -> c.kernels.geluForward(x, y);
              }
              Tensor dy = c.tensors.filled("dy", type, 1, ROWS, k);
              Tensor dX = c.tensors.zeros("dx", type, ROWS, k);
              return () -> c.kernels.geluBackward(x, dy, dX);
            }));
  }

  private static Case patchEmbed(long batch, DType type) {
    long patches = 14 * 14;
    long k = 3 * 16 * 16;
    double pixels = (double) batch * 3 * 224 * 224;
    double outputs = (double) batch * (patches + 1) * WIDTH;
    return new Case(
        "patch-embed-forward",
        "224x224 batch=" + batch,
        type,
        new Work(
            2.0 * batch * patches * k * WIDTH, 4 * pixels + type.bytes() * (outputs + k * WIDTH)),
        body(
            c -> {
              Tensor images = c.tensors.filled("images", DType.F32, 1, batch, 3, 224, 224);
              Tensor w = c.tensors.filled("weight", type, 0.03f, WIDTH, k);
              Weight weight = new Weight(Weight.Format.PACKED, type, WIDTH, k);
              c.kernels.weightPrepare(
                  w,
                  c.tensors.workspace(c.kernels.weightPrepareBytes(w, Weight.Format.PACKED)),
                  weight);
              Tensor bias = c.tensors.filled("bias", DType.F32, 1, WIDTH);
              Tensor position = c.tensors.filled("position", DType.F32, 1, patches + 1, WIDTH);
              Tensor token = c.tensors.filled("class_token", DType.F32, 1, WIDTH);
              Tensor y = c.tensors.zeros("y", type, batch, patches + 1, WIDTH);
              Tensor work =
                  c.tensors.workspace(c.kernels.patchEmbedForwardWorkspace(images, 16, weight));
              return () ->
                  c.kernels.patchEmbedForward(images, 16, weight, bias, position, token, y, work);
            }));
  }

  private static Case optimizer(String name, int moments) {
    // Reads value, gradient and moments, writes value and moments.
    double bytes = 4.0 * PARAMETERS * (3 + 2 * moments);
    return new Case(
        name,
        PARAMETERS / 100_000 / 10.0 + "M parameters",
        DType.F32,
        moments == 1
            ? new Work(6.0 * PARAMETERS, bytes, Work.Pass.UPDATE_TWO)
            : new Work(14.0 * PARAMETERS, bytes, Work.Pass.UPDATE_THREE),
        step(1e-9f, moments),
        step(0.5f, moments));
  }

  /**
   * @param learningRate so small that values stay what they are, however often a step is timed, or
   *     so large that one step shows
   */
  private static Function<Device, Body> step(float learningRate, int moments) {
    return body(
        learningRate,
        c -> {
          Tensor value = c.tensors.filled("value", DType.F32, 1, PARAMETERS);
          Tensor gradient = c.tensors.filled("gradient", DType.F32, 1, PARAMETERS);
          Tensor first = c.tensors.zeros("first_moment", DType.F32, PARAMETERS);
          Tensor second =
              moments == 1 ? null : c.tensors.zeros("second_moment", DType.F32, PARAMETERS);
          ParameterArray array = new ParameterArray(1);
          array.set(0, value, gradient, first, second);
          array.set(0, 1, 0.05f);
          return moments == 1
              ? () -> c.kernels.sgdStep(array, learningRate, 0.9f, null)
              : () -> c.kernels.adamwStep(array, learningRate, 0.9f, 0.999f, 1e-8f, 1, null);
        });
  }
}
