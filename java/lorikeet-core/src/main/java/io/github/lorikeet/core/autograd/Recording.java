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
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
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

  final List<Operation> operations = new ArrayList<>();
  final List<Call> calls = new ArrayList<>();
  final List<Variable> inputs = new ArrayList<>();
  final Set<Tensor> kept = new HashSet<>();
  final Set<Parameter> parameters = new LinkedHashSet<>();
  private final Set<Parameter> differentiated = new HashSet<>();
  private int streams;
  private boolean sealed;

  /** Set for each run. */
  int step;

  /** Set for each run: whether gradients of parameters are added to what is there. */
  boolean addToParameters;

  Recording(Device device, boolean training, long seed) {
    this.device = device;
    this.kernels = device.kernels();
    this.training = training;
    this.seed = seed;
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

  /** Checks that an operation may read a variable, and counts that. */
  Variable use(Variable variable) {
    if (variable != null) {
      checkOwn(variable);
      variable.use();
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

  /** A parameter as a linear layer's weight. */
  Weight useAsWeight(Parameter parameter) {
    parameters.add(parameter);
    return parameter.readAsWeight();
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

  /** The flag for a call's gradients of parameters in the run going on. */
  int parameterFlag(boolean adds) {
    return adds || addToParameters ? Kernels.ADD_TO_PARAMETERS : 0;
  }
}
