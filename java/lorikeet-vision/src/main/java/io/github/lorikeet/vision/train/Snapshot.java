// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.autograd.Parameter;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** The values that trained parameters had at one time, in host memory. */
final class Snapshot implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final List<Parameter> parameters;
  private final Map<Parameter, MemorySegment> values = new LinkedHashMap<>();

  /**
   * Takes no memory before the first {@link #take}.
   *
   * @param parameters trained ones
   */
  Snapshot(List<Parameter> parameters) {
    this.parameters = parameters;
  }

  /** Whether nothing was taken yet. */
  boolean isEmpty() {
    return values.isEmpty();
  }

  /** Copies the values as they are on the device now. */
  void take() {
    for (Parameter parameter : parameters) {
      parameter.value().download(room(parameter));
    }
  }

  /** Takes values from elsewhere, of the parameters' sizes. */
  void take(Function<Parameter, HostTensor> source) {
    for (Parameter parameter : parameters) {
      room(parameter).copyFrom(source.apply(parameter).f32().data());
    }
  }

  private MemorySegment room(Parameter parameter) {
    return values.computeIfAbsent(
        parameter, p -> arena.allocate(p.elements() * Float.BYTES, Float.BYTES));
  }

  /** One parameter's values. */
  MemorySegment of(Parameter parameter) {
    return values.get(parameter);
  }

  /** Brings the values back to the device; without any, leaves it as it is. */
  void restore() {
    values.forEach((parameter, value) -> parameter.value().upload(value));
  }

  @Override
  public void close() {
    arena.close();
  }
}
