// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.Activation;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Epilogue;
import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.LinearBackwardOptions;
import io.github.lorikeet.core.Lora;
import io.github.lorikeet.core.RandomKey;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.Weight;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Linear layers of a ViT-B with frozen, packed weights: plain, and with LoRA on query and value of
 * the merged qkv. M is the rows: 197 tokens a picture, 1, 8 or 64 pictures.
 */
final class LinearCases {
  private static final long WIDTH = 768;
  private static final long[] ROWS = {197, 1576, 12608};
  private static final int[] RANKS = {4, 16};
  private static final float[] DROPOUTS = {0, 0.1f};

  private LinearCases() {}

  /** The layers of a block, and what follows their product in the same pass. */
  private enum Layer {
    QKV("qkv", WIDTH, 3 * WIDTH),
    PROJ("proj+residual", WIDTH, WIDTH),
    FC1("fc1+gelu", WIDTH, 4 * WIDTH),
    FC2("fc2+residual", 4 * WIDTH, WIDTH);

    final String text;
    final long k;
    final long n;

    Layer(String text, long k, long n) {
      this.text = text;
      this.k = k;
      this.n = n;
    }
  }

  static List<Case> of(DType type) {
    List<Case> cases = new ArrayList<>();
    for (Layer layer : Layer.values()) {
      for (long m : layer == Layer.QKV ? ROWS : new long[] {1576}) {
        cases.add(linear(layer, m, type, false));
        cases.add(linear(layer, m, type, true));
      }
    }
    for (long m : ROWS) {
      for (int rank : RANKS) {
        for (float p : DROPOUTS) {
          cases.add(lora(m, rank, p, type, false));
          cases.add(lora(m, rank, p, type, true));
        }
      }
    }
    return cases;
  }

  private static Case linear(Layer layer, long m, DType type, boolean backward) {
    boolean residual = layer == Layer.PROJ || layer == Layer.FC2;
    double product = 2.0 * m * layer.k * layer.n;
    double moved = type.bytes() * (double) (m * layer.k + layer.n * layer.k + m * layer.n);
    double extra = type.bytes() * (double) (residual ? m * layer.n : 0);
    // The backward pass after a GELU reads what went into it.
    double preActivation = type.bytes() * (double) (layer == Layer.FC2 ? m * layer.k : 0);
    Work forward = new Work(product, moved + extra);
    return new Case(
        backward ? "linear-forward-backward" : "linear-forward",
        layer.text + " M=" + m,
        type,
        backward ? forward.plus(new Work(product, moved + preActivation)) : forward,
        device -> new LinearBody(device, layer, m, type, backward));
  }

  private static final class LinearBody implements Body {
    private final Kernels kernels;
    private final Tensors tensors;
    private final Tensor x;
    private final Weight weight;
    private final Tensor bias;
    private final Epilogue epilogue = new Epilogue();
    private final Tensor y;
    private final Tensor dy;
    private final Tensor dX;
    private final LinearBackwardOptions options = new LinearBackwardOptions();
    private final Tensor workspace;

    LinearBody(Device device, Layer layer, long m, DType type, boolean backward) {
      kernels = device.kernels();
      tensors = new Tensors(device);
      x = tensors.filled("x", type, 1, m, layer.k);
      weight = packed(device, tensors, type, layer.n, layer.k);
      bias = tensors.filled("bias", DType.F32, 1, layer.n);
      if (layer == Layer.FC1) {
        epilogue.activation(Activation.GELU);
      } else if (layer != Layer.QKV) {
        epilogue.residual(tensors.filled("residual", type, 1, m, layer.n));
      }
      y = tensors.zeros("y", type, m, layer.n);
      dy = backward ? tensors.filled("dy", type, 1, m, layer.n) : null;
      dX = backward ? tensors.zeros("dx", type, m, layer.k) : null;
      if (backward && layer == Layer.FC2) {
        // x is GELU's output; its derivative is taken in this layer's backward pass.
        options.xPreActivation(tensors.filled("x_pre_activation", type, 1, m, layer.k));
      }
      workspace =
          tensors.workspace(
              Math.max(
                  kernels.linearForwardWorkspace(m, weight),
                  backward ? kernels.linearBackwardWorkspace(m, weight) : 0));
    }

    @Override
    public void run() {
      kernels.linearForward(x, weight, bias, epilogue, y, workspace);
      if (dX != null) {
        kernels.linearBackward(dy, null, weight, options, dX, null, null, workspace);
      }
    }

    @Override
    public Map<String, Tensor> tensors() {
      return tensors.all();
    }

    @Override
    public void close() {
      tensors.close();
    }
  }

  /** The plain weight stays, as "weight": peers read it. */
  private static Weight packed(Device device, Tensors tensors, DType type, long n, long k) {
    Kernels kernels = device.kernels();
    Tensor w = tensors.filled("weight", type, 1 / (float) Math.sqrt(k), n, k);
    Weight weight = new Weight(Weight.Format.PACKED, type, n, k);
    Tensor storage = tensors.workspace(kernels.weightPrepareBytes(w, Weight.Format.PACKED));
    kernels.weightPrepare(w, storage, weight);
    return weight;
  }

  private static Case lora(long m, int rank, float p, DType type, boolean backward) {
    long k = WIDTH;
    long n = 3 * WIDTH;
    double lowRank = 2.0 * m * 2 * rank * (k + k);
    double product = 2.0 * m * k * n;
    double moved = type.bytes() * (double) (m * k + n * k + m * n);
    double adapters = 4.0 * 2 * rank * (k + k);
    Work forward = new Work(product + lowRank, moved + adapters + 4.0 * m * 2 * rank);
    Work back =
        new Work(product + 2 * lowRank, moved + type.bytes() * (double) (m * k) + 2 * adapters);
    Function<Device, Body> opener = device -> new LoraBody(device, m, rank, p, type, backward);
    return new Case(
        backward ? "lora-forward-backward" : "lora-forward",
        "qkv M=" + m + " r=" + rank + " p=" + p,
        type,
        backward ? forward.plus(back) : forward,
        opener,
        p == 0 ? opener : device -> new LoraBody(device, m, rank, 0, type, backward));
  }

  private static final class LoraBody implements Body {
    private final Kernels kernels;
    private final Tensors tensors;
    private final Tensor x;
    private final Weight weight;
    private final Tensor bias;
    private final float dropout;
    private final Lora lora;
    private final Tensor h;
    private final Tensor y;
    private final Tensor dy;
    private final Tensor dX;
    private final Tensor dA;
    private final Tensor dB;
    private final Tensor workspace;

    LoraBody(Device device, long m, int rank, float p, DType type, boolean backward) {
      kernels = device.kernels();
      tensors = new Tensors(device);
      dropout = p;
      long k = WIDTH;
      long n = 3 * WIDTH;
      x = tensors.filled("x", type, 1, m, k);
      weight = packed(device, tensors, type, n, k);
      bias = tensors.filled("bias", DType.F32, 1, n);
      Tensor a = tensors.filled("a", DType.F32, 1 / (float) Math.sqrt(k), 2 * rank, k);
      Tensor b = tensors.filled("b", DType.F32, 0.1f, 2 * k, rank);
      lora =
          new Lora(
              a,
              b,
              List.of(new Lora.Group(0, k), new Lora.Group(2 * k, k)),
              rank,
              32f / rank,
              p,
              p == 0 ? null : new RandomKey(1, 2));
      h = tensors.zeros("h", DType.F32, m, 2 * rank);
      y = tensors.zeros("y", type, m, n);
      dy = backward ? tensors.filled("dy", type, 1, m, n) : null;
      dX = backward ? tensors.zeros("dx", type, m, k) : null;
      dA = backward ? tensors.zeros("da", DType.F32, 2 * rank, k) : null;
      dB = backward ? tensors.zeros("db", DType.F32, 2 * k, rank) : null;
      workspace =
          tensors.workspace(
              Math.max(
                  kernels.loraLinearForwardWorkspace(m, weight, lora),
                  backward ? kernels.loraLinearBackwardWorkspace(m, weight, lora) : 0));
    }

    @Override
    public void run() {
      kernels.loraLinearForward(x, weight, bias, lora, null, h, y, workspace);
      if (dX != null) {
        kernels.loraLinearBackward(dy, x, weight, lora, h, null, dX, dA, dB, null, null, workspace);
      }
    }

    @Override
    public Map<String, Tensor> tensors() {
      return tensors.all();
    }

    @Override
    public float dropout() {
      return dropout;
    }

    @Override
    public void close() {
      tensors.close();
    }
  }
}
