// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.examples;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Adam;
import org.bytedeco.pytorch.AdamOptions;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Trains a LoRA layer and what lies around it in JavaCPP PyTorch twice, from the same start: with
 * libtorch's operations alone, and with Lorikeet's for the LoRA layer. Both must follow one curve.
 */
final class InPyTorch {
  private InPyTorch() {}

  public static void main(String[] arguments) {
    Comparison.run("JavaCPP PyTorch", InPyTorch::plain, InPyTorch::embedded);
  }

  /** The network: embed, the LoRA layer, GELU, head; trained are embed, A, B and head. */
  private static final class Network {
    final Tensor x = normal(1, Comparison.ROWS, Comparison.FEATURES);
    final Tensor target = normal(1, Comparison.ROWS, 1);
    final Tensor embed = leaf(normal(0.1, Comparison.K, Comparison.FEATURES));
    final Tensor w = normal(0.04, Comparison.N, Comparison.K);
    final Tensor a = leaf(normal(0.04, Comparison.RANK, Comparison.K));
    final Tensor b = leaf(normal(0.04, Comparison.N, Comparison.RANK));
    final Tensor head = leaf(normal(0.02, 1, Comparison.N));
    final Adam adam =
        new Adam(new TensorVector(embed, a, b, head), new AdamOptions(Comparison.LEARNING_RATE));

    Tensor before() {
      return torch.linear(x, embed);
    }

    Tensor loss(Tensor y) {
      return torch.mse_loss(torch.linear(torch.gelu(y), head), target);
    }
  }

  private static Tensor normal(double deviation, long... sizes) {
    return torch.randn(sizes).mul(new Scalar(deviation));
  }

  private static Tensor leaf(Tensor tensor) {
    return tensor.detach().requires_grad_(true);
  }

  private static double[] plain(int steps) {
    torch.manual_seed(1);
    Network network = new Network();
    double[] losses = new double[steps];
    for (int step = 0; step < steps; step++) {
      try (PointerScope scope = new PointerScope()) {
        Tensor x = network.before();
        Tensor update = torch.linear(torch.linear(x, network.a), network.b);
        Tensor y = torch.linear(x, network.w).add(update, new Scalar(Comparison.SCALING));
        Tensor loss = network.loss(y);
        network.adam.zero_grad();
        loss.backward();
        network.adam.step();
        losses[step] = loss.item_double();
      }
    }
    return losses;
  }

  private static double[] embedded(int steps) {
    torch.manual_seed(1);
    Network network = new Network();
    double[] losses = new double[steps];
    Tensor y = leaf(torch.empty(Comparison.ROWS, Comparison.N));
    Tensor dX = torch.empty(Comparison.ROWS, Comparison.K);
    Tensor dA = torch.empty_like(network.a);
    Tensor dB = torch.empty_like(network.b);
    try (Device device = Device.open("cpu", torch.get_num_threads());
        LoraLinear layer =
            new LoraLinear(
                device,
                wrap(device, network.w),
                wrap(device, network.a),
                wrap(device, network.b),
                Comparison.ALPHA,
                0,
                Comparison.ROWS)) {
      for (int step = 0; step < steps; step++) {
        try (PointerScope scope = new PointerScope()) {
          // The graph is cut at the layer: its input and its output are leaves of two graphs.
          Tensor before = network.before();
          layer.forward(wrap(device, before), wrap(device, y));
          Tensor loss = network.loss(y);
          network.adam.zero_grad();
          y.mutable_grad().reset();
          loss.backward();
          layer.backward(
              wrap(device, y.grad()),
              wrap(device, before),
              wrap(device, dX),
              wrap(device, dA),
              wrap(device, dB));
          before.backward(dX, new BoolOptional(), false, new TensorArrayRefOptional());
          network.a.mutable_grad().put(dA);
          network.b.mutable_grad().put(dB);
          network.adam.step();
          losses[step] = loss.item_double();
        }
      }
    }
    return losses;
  }

  /** The same memory as a tensor of Lorikeet's: alive as long as libtorch's is. */
  private static io.github.lorikeet.core.Tensor wrap(Device device, Tensor tensor) {
    return io.github.lorikeet.core.Tensor.wrap(
        device,
        tensor.data_ptr().address(),
        DType.F32,
        tensor.sizes().vec().get(),
        tensor.strides().vec().get());
  }
}
