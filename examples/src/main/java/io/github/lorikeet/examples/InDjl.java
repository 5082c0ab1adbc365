// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.examples;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.core.Linear;
import ai.djl.training.GradientCollector;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/**
 * Trains a LoRA layer and what lies around it in DJL (its PyTorch engine) twice, from the same
 * start: with DJL's operations alone, and with Lorikeet's for the LoRA layer. Both must follow one
 * curve.
 */
final class InDjl {
  private InDjl() {}

  public static void main(String[] arguments) {
    Comparison.run("DJL", InDjl::plain, InDjl::embedded);
  }

  /** The network: embed, the LoRA layer, GELU, head; trained are embed, A, B and head. */
  private static final class Network {
    final NDManager manager;
    final NDArray x;
    final NDArray target;
    final NDArray embed;
    final NDArray w;
    final NDArray a;
    final NDArray b;
    final NDArray head;
    final Optimizer adam =
        Optimizer.adam().optLearningRateTracker(Tracker.fixed(Comparison.LEARNING_RATE)).build();

    Network(NDManager manager) {
      this.manager = manager;
      Engine.getInstance().setRandomSeed(1);
      x = normal(1, Comparison.ROWS, Comparison.FEATURES);
      target = normal(1, Comparison.ROWS, 1);
      embed = trained(normal(0.1f, Comparison.K, Comparison.FEATURES));
      w = normal(0.04f, Comparison.N, Comparison.K);
      a = trained(normal(0.04f, Comparison.RANK, Comparison.K));
      b = trained(normal(0.04f, Comparison.N, Comparison.RANK));
      head = trained(normal(0.02f, 1, Comparison.N));
    }

    private NDArray normal(float deviation, long... sizes) {
      return manager.randomNormal(
          0, deviation, new Shape(sizes), ai.djl.ndarray.types.DataType.FLOAT32);
    }

    private static NDArray trained(NDArray array) {
      array.setRequiresGradient(true);
      return array;
    }

    NDArray before() {
      return linear(x, embed);
    }

    NDArray loss(NDArray y) {
      return linear(Activation.gelu(y), head).sub(target).square().mean();
    }

    void step(NDArray dA, NDArray dB) {
      adam.update("embed", embed, embed.getGradient());
      adam.update("a", a, dA);
      adam.update("b", b, dB);
      adam.update("head", head, head.getGradient());
    }
  }

  private static NDArray linear(NDArray x, NDArray weight) {
    return Linear.linear(x, weight).singletonOrThrow();
  }

  private static double[] plain(int steps) {
    double[] losses = new double[steps];
    try (NDManager manager = NDManager.newBaseManager()) {
      Network network = new Network(manager);
      for (int step = 0; step < steps; step++) {
        try (NDScope scope = new NDScope();
            GradientCollector collector = Engine.getInstance().newGradientCollector()) {
          collector.zeroGradients();
          NDArray x = network.before();
          NDArray update = linear(linear(x, network.a), network.b).mul(Comparison.SCALING);
          NDArray loss = network.loss(linear(x, network.w).add(update));
          collector.backward(loss);
          losses[step] = loss.getFloat();
        }
        network.step(network.a.getGradient(), network.b.getGradient());
      }
    }
    return losses;
  }

  private static double[] embedded(int steps) {
    double[] losses = new double[steps];
    try (NDManager manager = NDManager.newBaseManager();
        Device device = Device.open("cpu", 0)) {
      Network network = new Network(manager);
      NDArray y = Network.trained(manager.zeros(new Shape(Comparison.ROWS, Comparison.N)));
      NDArray dX = manager.zeros(new Shape(Comparison.ROWS, Comparison.K));
      NDArray dA = manager.zeros(network.a.getShape());
      NDArray dB = manager.zeros(network.b.getShape());
      try (LoraLinear layer =
          new LoraLinear(
              device,
              wrap(device, network.w),
              wrap(device, network.a),
              wrap(device, network.b),
              Comparison.ALPHA,
              0,
              Comparison.ROWS)) {
        for (int step = 0; step < steps; step++) {
          try (NDScope scope = new NDScope();
              GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            collector.zeroGradients();
            // The graph is cut at the layer: its input and its output are leaves of two graphs.
            NDArray before = network.before();
            layer.forward(wrap(device, before.stopGradient()), wrap(device, y));
            NDArray loss = network.loss(y);
            collector.backward(loss);
            layer.backward(
                wrap(device, y.getGradient()),
                wrap(device, before.stopGradient()),
                wrap(device, dX),
                wrap(device, dA),
                wrap(device, dB));
            // DJL starts from scalars only; the gradient of this one is dX.
            collector.backward(before.mul(dX).sum());
            losses[step] = loss.getFloat();
          }
          network.step(dA, dB);
        }
      }
    }
    return losses;
  }

  /** The same memory as a tensor of Lorikeet's: alive as long as the array is. */
  private static Tensor wrap(Device device, NDArray array) {
    ByteBuffer memory = array.toByteBuffer(true);
    if (!memory.isDirect()) {
      throw new IllegalArgumentException(array + " does not lie in the processor's memory");
    }
    long[] sizes = array.getShape().getShape();
    long[] strides = {sizes[1], 1};
    return Tensor.wrap(device, MemorySegment.ofBuffer(memory), DType.F32, sizes, strides);
  }
}
