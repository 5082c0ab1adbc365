// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.RandomKey;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.Weight;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What a tape has recorded: the flat list of kernel calls, the tensors they use, and what the run
 * going on changes about them. Operations write to it.
 */
final class Recording {
  final Device device;
  final Kernels kernels;
  final boolean training;
  private final long seed;

  /** Of the activations that operations make from images; else they have their inputs'. */
  final DType activations;

  final List<Operation> operations = new ArrayList<>();
  final List<Call> calls = new ArrayList<>();
  final List<Variable> inputs = new ArrayList<>();
  final Set<Tensor> kept = new HashSet<>();
  final Set<Parameter> parameters = new LinkedHashSet<>();
  private final Set<Parameter> differentiated = new HashSet<>();
  private final Map<Parameter, LayerWeight> rounded = new HashMap<>();

  /** What the operation being recorded reads. */
  private final List<Variable> reading = new ArrayList<>();

  private int streams;
  private boolean sealed;

  /** Set for each run. */
  int step;

  /** Set for each run: whether gradients of parameters are added to what is there. */
  boolean addToParameters;

  /** What the loss is multiplied by in the backward pass; null for 1. */
  LossScale lossScale;

  Recording(Device device, boolean training, long seed, DType activations) {
    this.device = device;
    this.kernels = device.kernels();
    this.training = training;
    this.seed = seed;
    this.activations = activations;
  }

  /** Ends the recording: its memory is planned now. */
  void seal() {
    sealed = true;
  }

  /** When each tensor of the calls lives; inputs have memory of their own. */
  Lifetimes lifetimes() {
    Set<Tensor> held = new HashSet<>(kept);
    for (Operation operation : operations) {
      if (operation.output().uses() == 0) {
        held.add(operation.output().tensor());
      }
    }
    Set<Tensor> elsewhere = new HashSet<>();
    inputs.forEach(input -> elsewhere.add(input.tensor()));
    return new Lifetimes(calls, held, elsewhere);
  }

  void checkOpen() {
    if (sealed) {
      throw new IllegalStateException("the tape's memory is planned: record everything before");
    }
  }

  /** Scratch memory for one call, to be listed among its writes; null for none. */
  Tensor workspace(long bytes) {
    return bytes == 0 ? null : Tensor.unplaced(DType.U8, bytes);
  }

  /** Appends a call. */
  Call call(String name, Runnable body) {
    checkOpen();
    Call call = new Call(name, body);
    calls.add(call);
    return call;
  }

  void beginOperation() {
    reading.clear();
  }

  /**
   * Adds an operation that has passed its checks, and counts what it reads: one refused reads
   * nothing.
   */
  void add(Operation operation) {
    operations.add(operation);
    reading.forEach(Variable::use);
    reading.clear();
  }

  /** Checks that the operation being recorded may read a variable; null for null. */
  Variable use(Variable variable) {
    if (variable != null) {
      checkOwn(variable);
      reading.add(variable);
    }
    return variable;
  }

  void checkOwn(Variable variable) {
    if (variable.recording() != this) {
      throw new IllegalArgumentException(variable + " is of another tape");
    }
  }

  /** A parameter for kernels that read it as it stands; null for null. */
  Tensor use(Parameter parameter) {
    if (parameter == null) {
      return null;
    }
    parameters.add(parameter);
    return parameter.readAsTensor();
  }

  /**
   * A linear layer's weight.
   *
   * @param copy to be listed among the reads of the weight's calls; null where the weight has
   *     memory of its own
   */
  record LayerWeight(Weight weight, Tensor copy) {}

  /**
   * A parameter as a linear layer's weight. A trained one is f32: for other activations every run
   * rounds it once, before its first use.
   *
   * @param type of the activations
   */
  LayerWeight useAsWeight(Parameter parameter, DType type) {
    parameters.add(parameter);
    if (parameter.trainable() && type != DType.F32) {
      return rounded.computeIfAbsent(parameter, p -> round(p, type));
    }
    return new LayerWeight(parameter.readAsWeight(type), null);
  }

  private LayerWeight round(Parameter parameter, DType type) {
    Tensor value = parameter.readAsTensor();
    Tensor copy = Tensor.unplaced(type, parameter.sizes());
    Tensor rows = parameter.matrix(copy);
    Weight weight = new Weight(Weight.Format.PLAIN, type, rows.size(0), rows.size(1));
    call(
            "convert",
            () -> {
              kernels.convert(value, copy);
              kernels.weightPrepare(rows, null, weight);
            })
        .writes(copy);
    return new LayerWeight(weight, copy);
  }

  /** The key of a random tensor of its own. */
  RandomKey random() {
    return new RandomKey(seed, streams++);
  }

  /**
   * Says that the call to be recorded next writes these parameters' gradients; null and frozen ones
   * are left out. A gradient written before in this step must be added to, and one flag rules all
   * gradients of a call: where they differ, those not written yet are set to zero first.
   *
   * @return whether the call adds even in a run that does not
   */
  boolean addsTo(Parameter... written) {
    List<Parameter> trained = new ArrayList<>();
    for (Parameter parameter : written) {
      if (parameter != null && parameter.trainable()) {
        trained.add(parameter);
      }
    }
    boolean again = trained.stream().anyMatch(differentiated::contains);
    for (Parameter parameter : trained) {
      if (differentiated.add(parameter) && again) {
        Tensor gradient = parameter.gradientTensor();
        call(
            "fill",
            () -> {
              if (!addToParameters) {
                kernels.fill(gradient, 0);
              }
            });
      }
    }
    return again;
  }

  /** The factor of a loss's gradient in the run going on. */
  float lossFactor(float factor) {
    return lossScale == null ? factor : factor * lossScale.value();
  }

  /** The flag for a call's gradients of parameters in the run going on. */
  int parameterFlag(boolean adds) {
    return adds || addToParameters ? Kernels.ADD_TO_PARAMETERS : 0;
  }
}
