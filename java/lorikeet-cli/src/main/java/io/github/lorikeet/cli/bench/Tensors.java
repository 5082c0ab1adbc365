// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.core.Tensor;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** Tensors by name, filled with numbers that are the same every time. */
final class Tensors implements AutoCloseable {
  private final Device device;
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();

  Tensors(Device device) {
    this.device = device;
  }

  /** Uniform in [-bound, bound), of a dtype. */
  Tensor filled(String name, DType type, float bound, long... sizes) {
    Tensor tensor = empty(name, type, sizes);
    int count = Math.toIntExact(tensor.elements());
    if (type == DType.F32) {
      tensor.upload(numbers(name, count, bound));
    } else {
      try (Tensor f32 = device.allocate(DType.F32, sizes)) {
        f32.upload(numbers(name, count, bound));
        device.kernels().convert(f32, tensor);
      }
    }
    return tensor;
  }

  /** Of zeros. */
  Tensor zeros(String name, DType type, long... sizes) {
    Tensor tensor = empty(name, type, sizes);
    device.kernels().fill(tensor, 0);
    return tensor;
  }

  /** Of whatever is there; null for no bytes. */
  Tensor workspace(long bytes) {
    return bytes == 0 ? null : empty("workspace " + tensors.size(), DType.U8, bytes);
  }

  private Tensor empty(String name, DType type, long... sizes) {
    Tensor tensor = device.allocate(type, sizes);
    tensors.put(name, tensor);
    return tensor;
  }

  Map<String, Tensor> all() {
    return Collections.unmodifiableMap(tensors);
  }

  static HostTensor host(String name, float bound, long... sizes) {
    long count = 1;
    for (long size : sizes) {
      count *= size;
    }
    return HostTensor.of(numbers(name, Math.toIntExact(count), bound), sizes);
  }

  /** A linear congruential generator started by the name: quick, and good enough to multiply. */
  private static float[] numbers(String name, int count, float bound) {
    float[] values = new float[count];
    int state = name.hashCode();
    for (int i = 0; i < count; i++) {
      state = state * 1664525 + 1013904223;
      values[i] = (state >> 8) * (bound / (1 << 23));
    }
    return values;
  }

  @Override
  public void close() {
    tensors.values().forEach(Tensor::close);
  }
}
