// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.Activation;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Epilogue;
import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.LinearBackwardOptions;
import io.github.lorikeet.core.Lora;
import io.github.lorikeet.core.RandomKey;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.Weight;
import io.github.lorikeet.core.autograd.Gradient.Contribution;
import io.github.lorikeet.core.autograd.Recording.LayerWeight;
import java.util.Arrays;

/**
 * A linear layer with its adapter and everything that goes into the same pass: y = residual +
 * dropPath ∘ activation(x Wᵀ + bias + LoRA). Saves z, GELU's argument, LoRA's h [rows, groups *
 * rank] and, where W or the adapter is trained, x; but an x that is a normalisation's or GELU's
 * output is made again.
 */
final class LinearOperation extends Operation {
  private final Variable x;
  private final Linear layer;
  private final LinearOptions options;
  private final long rows;
  private final Weight weight;

  /** What the weight points into, if that is the step's memory. */
  private final Tensor weightCopy;

  private final Epilogue epilogue = new Epilogue();
  private final Call forward;

  private final Lora lora;
  private final RandomKey random;

  /** Written by the forward call if not null. */
  private Tensor h;

  private Tensor z;
  private boolean geluIsFused;

  LinearOperation(Recording recording, Variable x, Linear layer, LinearOptions options) {
    super(recording);
    this.x = recording.use(x);
    this.layer = layer;
    this.options = options;
    long[] sizes = x.sizes();
    if (sizes[sizes.length - 1] != layer.inputs()) {
      throw new IllegalArgumentException(
          x + ": expected rows of " + layer.inputs() + " for " + layer.weight());
    }
    rows = x.tensor().elements() / layer.inputs();
    sizes[sizes.length - 1] = layer.outputs();
    Tensor y = Tensor.unplaced(x.type(), sizes);
    Tensor residual = residual(y);
    Tensor scales = scales();
    epilogue
        .activation(options.gelu() ? Activation.GELU : Activation.NONE)
        .residual(residual)
        .rowScale(scales);
    LayerWeight used = recording.useAsWeight(layer.weight(), x.type());
    weight = used.weight();
    weightCopy = used.copy();
    random = layer.lora() == null ? null : recording.random();
    lora = layer.lora() == null ? null : lora(layer.lora());
    forward =
        recordForward(y)
            .reads(x.tensor(), weightCopy, residual, scales)
            .mayReplace(y, residual == x.tensor() ? null : residual);
    boolean residualRequires = residual != null && options.residual().requiresGradient();
    output(y, x.requiresGradient() || residualRequires || isTrained());
  }

  private Tensor residual(Tensor y) {
    Variable residual = recording.use(options.residual());
    if (residual == null) {
      return null;
    }
    if (residual.type() != y.type() || !Arrays.equals(residual.sizes(), y.sizes())) {
      throw new IllegalArgumentException("residual: " + residual + ", expected " + y.shape());
    }
    return residual.tensor();
  }

  private Tensor scales() {
    Variable scales = recording.use(options.dropPath());
    if (scales == null) {
      return null;
    }
    if (rows % scales.tensor().elements() != 0) {
      throw new IllegalArgumentException(
          "dropPath: " + scales + ", expected one scale a sample of " + rows + " rows");
    }
    return scales.tensor();
  }

  private Lora lora(LoraAdapter adapter) {
    float dropout = recording.training ? adapter.dropout() : 0;
    return new Lora(
        recording.use(adapter.a()),
        recording.use(adapter.b()),
        adapter.groups(),
        adapter.rank(),
        adapter.scaling(),
        dropout,
        random);
  }

  private Call recordForward(Tensor y) {
    Kernels kernels = recording.kernels;
    Tensor input = x.tensor();
    Tensor bias = recording.use(layer.bias());
    if (lora == null) {
      Tensor workspace = recording.workspace(kernels.linearForwardWorkspace(rows, weight));
      return recording
          .call(
              "linear_forward",
              () -> kernels.linearForward(input, weight, bias, epilogue, y, workspace))
          .writes(y, workspace);
    }
    Tensor workspace = recording.workspace(kernels.loraLinearForwardWorkspace(rows, weight, lora));
    return recording
        .call(
            "lora_linear_forward",
            () -> {
              random.step(recording.step);
              kernels.loraLinearForward(input, weight, bias, lora, epilogue, h, y, workspace);
            })
        .writes(y, workspace);
  }

  private boolean isTrained() {
    LoraAdapter adapter = layer.lora();
    return layer.weight().trainable()
        || layer.bias() != null && layer.bias().trainable()
        || adapter != null && (adapter.a().trainable() || adapter.b().trainable());
  }

  @Override
  Tensor fuseGelu() {
    if (!options.gelu() || options.residual() != null || options.dropPath() != null) {
      return null;
    }
    geluIsFused = true;
    return preActivation();
  }

  /**
   * From z, where its only user gives z's gradient, for which z is kept; in 16 bits from the
   * rounded z, of which that gradient is as well.
   */
  @Override
  Tensor remake() {
    if (!geluIsFused) {
      return null;
    }
    Tensor argument = z;
    Tensor y = Tensor.unplaced(z.type(), z.sizes());
    recording
        .call("gelu_forward", () -> recording.kernels.geluForward(argument, y))
        .reads(argument)
        .writes(y);
    return y;
  }

  private Tensor preActivation() {
    if (z == null) {
      z = Tensor.unplaced(x.type(), output().sizes());
      epilogue.preActivation(z);
      forward.writes(z);
    }
    return z;
  }

  @Override
  void backward(Tensor dy) {
    if (x.requiresGradient() || isTrained()) {
      recordBackward(options.gelu() && !geluIsFused ? geluBackward(dy) : dy);
    }
    if (options.residual() != null && options.residual().requiresGradient()) {
      options.residual().gradientSum().accept(dy, output().gradientSum().owned());
    }
  }

  /** The gradient of z; dropPath's scales, which commute with this, are left to the next call. */
  private Tensor geluBackward(Tensor dy) {
    Tensor argument = preActivation();
    Tensor dz = Tensor.unplaced(dy.type(), dy.sizes());
    recording
        .call("gelu_backward", () -> recording.kernels.geluBackward(argument, dy, dz))
        .reads(argument, dy)
        .writes(dz)
        .mayReplace(dz, argument)
        .mayReplace(dz, dy);
    return dz;
  }

  private void recordBackward(Tensor dy) {
    Tensor scales = options.dropPath() == null ? null : options.dropPath().tensor();
    boolean mayFuse = x.requiresGradient() && x.producer() != null && x.uses() == 1;
    Tensor xPreActivation = mayFuse ? x.producer().fuseGelu() : null;
    Contribution dX = x.contribute(xPreActivation == null);
    Tensor dXTensor = dX == null ? null : dX.tensor();
    int dXFlag = dX != null && dX.adds() ? Kernels.ADD_TO_D_X : 0;
    LinearBackwardOptions backward =
        new LinearBackwardOptions().rowScale(scales).xPreActivation(xPreActivation);
    Call call =
        lora == null
            ? linear(dy, dXTensor, dXFlag, backward)
            : loraLinear(dy, dXTensor, dXFlag, backward);
    call.reads(dy, scales, xPreActivation, weightCopy).writes(dXTensor);
    if (dX != null) {
      call.reads(dX.read());
      if (!dX.adds()) {
        call.mayReplace(dXTensor, xPreActivation);
      }
      dX.join();
    }
  }

  private Call linear(Tensor dy, Tensor dX, int dXFlag, LinearBackwardOptions backward) {
    Kernels kernels = recording.kernels;
    boolean adds = recording.addsTo(layer.weight(), layer.bias());
    Tensor dWeight = dWeight();
    Tensor dBias = layer.bias() == null ? null : layer.bias().gradientTensor();
    Tensor input = dWeight == null ? null : x.forBackward();
    Tensor workspace = recording.workspace(kernels.linearBackwardWorkspace(rows, weight));
    return recording
        .call(
            "linear_backward",
            () -> {
              backward.flags(dXFlag | recording.parameterFlag(adds));
              kernels.linearBackward(dy, input, weight, backward, dX, dWeight, dBias, workspace);
            })
        .reads(input)
        .writes(workspace);
  }

  private Call loraLinear(Tensor dy, Tensor dX, int dXFlag, LinearBackwardOptions backward) {
    Kernels kernels = recording.kernels;
    Parameter a = layer.lora().a();
    Parameter b = layer.lora().b();
    boolean adds = recording.addsTo(layer.weight(), layer.bias(), a, b);
    h = Tensor.unplaced(DType.F32, rows, a.sizes()[0]);
    forward.writes(h);
    // The kernel makes d_a and d_b always: of a frozen adapter they are scratch memory.
    Tensor scratchA = a.trainable() ? null : Tensor.unplaced(DType.F32, a.sizes());
    Tensor scratchB = b.trainable() ? null : Tensor.unplaced(DType.F32, b.sizes());
    Tensor dA = a.trainable() ? a.gradientTensor() : scratchA;
    Tensor dB = b.trainable() ? b.gradientTensor() : scratchB;
    Tensor dWeight = dWeight();
    Tensor dBias = layer.bias() == null ? null : layer.bias().gradientTensor();
    Tensor input = x.forBackward();
    Tensor workspace = recording.workspace(kernels.loraLinearBackwardWorkspace(rows, weight, lora));
    return recording
        .call(
            "lora_linear_backward",
            () -> {
              backward.flags(dXFlag | recording.parameterFlag(adds));
              kernels.loraLinearBackward(
                  dy, input, weight, lora, h, backward, dX, dA, dB, dWeight, dBias, workspace);
            })
        .reads(input, h)
        .writes(workspace, scratchA, scratchB);
  }

  private Tensor dWeight() {
    Parameter parameter = layer.weight();
    return parameter.trainable() ? parameter.matrix(parameter.gradientTensor()) : null;
  }
}
