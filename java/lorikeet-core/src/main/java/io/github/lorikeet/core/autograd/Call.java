// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * One kernel call of a recorded step, and what it does to the step's memory. Views are listed as
 * the tensors they are views of; parameters are not listed: they have memory of their own.
 */
final class Call {
  /**
   * An output that the kernel accepts in the place of an input.
   *
   * @param output a tensor this call is the first to write
   * @param input a tensor that this call reads
   */
  record InPlace(Tensor output, Tensor input) {}

  private final String name;
  private final Runnable body;
  private final List<Tensor> reads = new ArrayList<>();
  private final List<Tensor> writes = new ArrayList<>();
  private final List<InPlace> inPlace = new ArrayList<>();

  Call(String name, Runnable body) {
    this.name = name;
    this.body = body;
  }

  /** Tensors the kernel reads; null ones are left out. */
  Call reads(Tensor... tensors) {
    return add(reads, tensors);
  }

  /** Tensors the kernel writes, scratch memory included; null ones are left out. */
  Call writes(Tensor... tensors) {
    return add(writes, tensors);
  }

  private Call add(List<Tensor> list, Tensor... tensors) {
    for (Tensor tensor : tensors) {
      if (tensor != null) {
        list.add(tensor);
      }
    }
    return this;
  }

  /**
   * {@code output} may take the place of {@code input}, of the same size, where nothing reads that
   * one later; null inputs are left out.
   */
  Call mayReplace(Tensor output, Tensor input) {
    if (input != null) {
      inPlace.add(new InPlace(output, input));
    }
    return this;
  }

  String name() {
    return name;
  }

  List<Tensor> reads() {
    return reads;
  }

  List<Tensor> writes() {
    return writes;
  }

  List<InPlace> inPlace() {
    return inPlace;
  }

  void run() {
    body.run();
  }
}
