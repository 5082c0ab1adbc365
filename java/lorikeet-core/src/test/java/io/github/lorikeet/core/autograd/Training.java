// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.TestDevices;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** A tiny vision transformer in training: a training and an evaluation tape over one plan. */
final class Training implements AutoCloseable {
  /** A training batch's; an evaluation batch has a quarter more. */
  static final long SAMPLES = TestDevices.isCpu() ? 24 : 8;

  final Device device;
  final Optimizer optimizer;
  final TinyVit.Step train;
  final TinyVit.Step evaluate;
  final MemoryPlan plan;

  /** Before the memory is allocated. */
  Training(Device device, DType activations, TinyVit.Mode mode, Optimizer optimizer, long samples) {
    this.device = device;
    this.optimizer = optimizer;
    TinyVit model = new TinyVit(mode);
    train = model.record(new Tape(device, true, 5, activations), samples);
    train.tape().backward(train.loss());
    evaluate = model.record(new Tape(device, false, 0, activations), samples + samples / 4);
    plan = MemoryPlan.of(optimizer, train.tape(), evaluate.tape());
  }

  Training(int threads, TinyVit.Mode mode, Optimizer optimizer) {
    this(TestDevices.open(threads), DType.F32, mode, optimizer, SAMPLES);
  }

  static Training allocated(int threads, TinyVit.Mode mode, Optimizer optimizer) {
    Training training = new Training(threads, mode, optimizer);
    training.plan.allocate();
    return training;
  }

  /** One step, its data and its random numbers those of number n. */
  void step(long n) {
    train.fill(n);
    train.tape().run(n, false);
    optimizer.step(0.05f);
  }

  float[] evaluate() {
    evaluate.fill(99);
    evaluate.tape().run(0, false);
    return evaluate.logits().tensor().download();
  }

  /** The bits of everything trained. */
  Map<String, int[]> values() {
    Map<String, int[]> values = new LinkedHashMap<>();
    for (Parameter parameter : plan.parameters()) {
      if (parameter.trainable()) {
        values.put(parameter.name(), bits(parameter.download()));
      }
    }
    return values;
  }

  static int[] bits(float[] values) {
    int[] bits = new int[values.length];
    Arrays.setAll(bits, i -> Float.floatToRawIntBits(values[i]));
    return bits;
  }

  /** Makes all memory that holds nothing between steps hold NaN. */
  void poison() {
    poison(plan.arena(), plan.arena().bytes());
    for (Parameter parameter : plan.parameters()) {
      if (parameter.trainable()) {
        device.kernels().fill(parameter.gradient(), Float.NaN);
      }
    }
  }

  private void poison(Tensor memory, long bytes) {
    Tensor all = Tensor.unplaced(DType.F32, bytes / Float.BYTES);
    all.place(memory, 0);
    device.kernels().fill(all, Float.NaN);
  }

  @Override
  public void close() {
    plan.close();
    device.close();
  }
}
