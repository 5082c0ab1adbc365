// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.ParameterArray;
import io.github.lorikeet.core.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * Changes the trained parameters of a {@link MemoryPlan} by their gradients. Each parameter's
 * {@link Parameter#learningRateScale} and {@link Parameter#weightDecay} are read at every step.
 */
public abstract sealed class Optimizer permits Sgd, AdamW {
  private static final String STEPS = "steps";
  private static final String LOSS_SCALE = "loss_scale";
  private static final String[] MOMENTS = {".first_moment", ".second_moment"};

  /**
   * What steps work on.
   *
   * @param norm of the gradients, [1]; null without clipping and loss scale, as scale is
   * @param scale what the gradients are multiplied by, [1]
   * @param workspace null for none
   * @param lossScale what they came multiplied by; null for 1
   */
  record Work(
      Kernels kernels,
      List<Parameter> parameters,
      ParameterArray array,
      Tensor norm,
      Tensor scale,
      Tensor workspace,
      LossScale lossScale) {
    /** The tensors that are the optimiser's own. */
    List<Tensor> scratch() {
      return Stream.of(norm, scale, workspace).filter(Objects::nonNull).toList();
    }
  }

  private final int moments;
  private float maxGradientNorm;
  private boolean planned;
  private Work work;
  private long steps;

  /** Of the last step, where there is a loss scale. */
  private float unscaledNorm;

  Optimizer(int moments) {
    this.moments = moments;
  }

  /**
   * From now on scales the gradients by min(1, maxNorm / (norm + 1e-6)) where norm is the 2-norm of
   * all of them together (Pascanu et al., arXiv 1211.5063). To be called before the memory is
   * planned.
   *
   * @param maxNorm more than 0
   * @return this
   */
  public Optimizer clipGradientNorm(float maxNorm) {
    if (!(maxNorm > 0)) {
      throw new IllegalArgumentException("maxNorm " + maxNorm + ": expected more than 0");
    }
    if (planned) {
      throw new IllegalStateException("the optimiser's memory is planned: set the norm before");
    }
    maxGradientNorm = maxNorm;
    return this;
  }

  /**
   * Changes every parameter once. With a {@link #lossScale} it does nothing but lower that where
   * the gradients overflowed.
   */
  public void step(float learningRate) {
    Work w = work();
    for (int i = 0; i < w.parameters.size(); i++) {
      Parameter parameter = w.parameters.get(i);
      w.array.set(i, parameter.learningRateScale(), parameter.weightDecay());
    }
    if (w.lossScale != null) {
      if (!unscale(w)) {
        return;
      }
    } else if (w.norm != null) {
      w.kernels.gradientNorm(w.array, maxGradientNorm, w.norm, w.scale, w.workspace);
    }
    step(w.kernels, w.array, learningRate, steps + 1, w.scale);
    steps++;
  }

  /**
   * Takes the loss scale out of the gradients, on top of clipping them.
   *
   * @return whether the gradients are good for a step
   */
  private boolean unscale(Work w) {
    float factor = 1 / w.lossScale.value();
    w.kernels.gradientNorm(w.array, 0, w.norm, w.scale, w.workspace);
    float norm = w.norm.download()[0] * factor;
    if (w.lossScale.overflowed(Float.isFinite(norm))) {
      return false;
    }
    unscaledNorm = norm;
    float clip = maxGradientNorm == 0 ? 1 : Math.min(1, maxGradientNorm / (norm + 1e-6f));
    w.scale.upload(new float[] {factor * clip});
    return true;
  }

  abstract void step(
      Kernels kernels, ParameterArray array, float learningRate, long step, Tensor gradientScale);

  /** Steps taken with the memory it has, those before an imported state included. */
  public long steps() {
    return steps;
  }

  /** The gradients' 2-norm at the last step, before clipping and without a loss scale. */
  public float gradientNorm() {
    if (work().norm == null) {
      throw new IllegalStateException("the gradients' norm is computed for clipping only");
    }
    return work().lossScale == null ? work().norm.download()[0] : unscaledNorm;
  }

  /**
   * What the loss, and with it all gradients, are multiplied by in the backward pass: more than 1
   * for f16 activations only.
   */
  public float lossScale() {
    return work().lossScale == null ? 1 : work().lossScale.value();
  }

  /**
   * What the optimiser remembers, as copies in host memory: {@code steps}, i32 [1], each
   * parameter's moments, as {@code NAME.first_moment} and {@code NAME.second_moment}, and for f16
   * activations {@code loss_scale}, f32 [2]: the scale, and for how many steps it has held.
   */
  public Map<String, HostTensor> exportState() {
    Map<String, HostTensor> state = exportCounters();
    ownState().forEach((name, m) -> state.put(name, HostTensor.of(m.download(), m.sizes())));
    return state;
  }

  /** The part of {@link #exportState} that is not moments. */
  public Map<String, HostTensor> exportCounters() {
    Map<String, HostTensor> state = new LinkedHashMap<>();
    MemorySegment count = Arena.ofAuto().allocate(ValueLayout.JAVA_INT);
    count.set(ValueLayout.JAVA_INT, 0, Math.toIntExact(steps));
    state.put(STEPS, new HostTensor(DType.I32, new long[] {1}, count));
    if (work().lossScale != null) {
      LossScale scale = work().lossScale;
      state.put(LOSS_SCALE, HostTensor.of(new float[] {scale.value(), scale.finiteSteps()}, 2));
    }
    return state;
  }

  /**
   * Goes on from a state that {@link #exportState} made; with the parameters' values loaded as
   * well, the next steps are bit for bit those of the optimiser it came from.
   *
   * @throws IllegalArgumentException where the state does not have exactly this optimiser's
   *     tensors; nothing was changed then
   */
  public void importState(Map<String, HostTensor> state) {
    Map<String, Tensor> own = ownState();
    checkState(state, own);
    own.forEach((name, moment) -> Parameter.copy(state.get(name), moment, name));
    steps = steps(state.get(STEPS));
    if (work().lossScale != null) {
      float[] scale = state.get(LOSS_SCALE).toFloats();
      work().lossScale.set(scale[0], (int) scale[1]);
    }
  }

  private static int steps(HostTensor count) {
    return count.data().get(ValueLayout.JAVA_INT_UNALIGNED, 0);
  }

  private Map<String, Tensor> ownState() {
    Map<String, Tensor> own = new LinkedHashMap<>();
    for (Parameter parameter : work().parameters) {
      for (int order = 1; order <= moments; order++) {
        own.put(parameter.name() + MOMENTS[order - 1], parameter.momentTensor(order));
      }
    }
    return own;
  }

  private void checkState(Map<String, HostTensor> state, Map<String, Tensor> own) {
    HostTensor count = state.get(STEPS);
    if (count == null || count.type() != DType.I32 || count.elements() != 1) {
      throw new IllegalArgumentException(STEPS + ": " + count + ", expected i32 [1]");
    }
    if (steps(count) < 0) {
      throw new IllegalArgumentException(STEPS + ": " + steps(count) + ", expected 0 or more");
    }
    boolean scalesLoss = work().lossScale != null;
    if (scalesLoss) {
      HostTensor scale = state.get(LOSS_SCALE);
      if (scale == null || scale.type() != DType.F32 || scale.elements() != 2) {
        throw new IllegalArgumentException(LOSS_SCALE + ": " + scale + ", expected f32 [2]");
      }
      LossScale.check(scale.toFloats()[0], (int) scale.toFloats()[1]);
    }
    own.forEach((name, moment) -> Parameter.checkSizes(state.get(name), moment, name));
    for (String name : state.keySet()) {
      boolean known = name.equals(STEPS) || scalesLoss && name.equals(LOSS_SCALE);
      if (!known && !own.containsKey(name)) {
        throw new IllegalArgumentException(name + ": no such tensor in this optimiser's state");
      }
    }
  }

  // ---- For the memory plan

  int moments() {
    return moments;
  }

  /**
   * What steps over these parameters, in their order, will work on; nothing has a place yet.
   *
   * @param scalesLoss whether the gradients come multiplied by a loss scale
   */
  Work plan(Device device, List<Parameter> trained, boolean scalesLoss) {
    planned = true;
    ParameterArray array = new ParameterArray(trained.size());
    for (int i = 0; i < trained.size(); i++) {
      Parameter p = trained.get(i);
      Tensor second = moments < 2 ? null : p.momentTensor(2);
      array.set(i, p.valueTensor(), p.gradientTensor(), p.momentTensor(1), second);
    }
    Kernels kernels = device.kernels();
    if (maxGradientNorm == 0 && !scalesLoss) {
      return new Work(kernels, trained, array, null, null, null, null);
    }
    long bytes = kernels.gradientNormWorkspace(array);
    return new Work(
        kernels,
        trained,
        array,
        Tensor.unplaced(DType.F32, 1),
        Tensor.unplaced(DType.F32, 1),
        bytes == 0 ? null : Tensor.unplaced(DType.U8, bytes),
        scalesLoss ? new LossScale() : null);
  }

  void checkUnused() {
    if (work != null) {
      throw new IllegalStateException("the optimiser is part of another memory plan");
    }
  }

  /** From now on steps work on this, the moments being 0 and no step taken; null ends that. */
  void attach(Work work) {
    this.work = work;
    if (work != null) {
      steps = 0;
      unscaledNorm = 0;
    }
  }

  private Work work() {
    if (work == null) {
      throw new IllegalStateException(
          "the optimiser has no memory: allocate a memory plan with it");
    }
    return work;
  }
}
