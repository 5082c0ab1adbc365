// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import io.github.lorikeet.cli.bench.Body;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.pytorch.AdamW;
import org.bytedeco.pytorch.AdamWOptions;
import org.bytedeco.pytorch.CompilationUnit;
import org.bytedeco.pytorch.Function;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Optimizer;
import org.bytedeco.pytorch.QualifiedName;
import org.bytedeco.pytorch.SGD;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/** Optimisers' steps over one tensor of a model's size, and over a model's parameters. */
final class OptimizerPeers {
  private static final double MOMENTUM = 0.9;
  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.999;
  private static final double EPS = 1e-8;
  private static final double DECAY = 0.05;

  private OptimizerPeers() {}

  static List<Variant> sgd() {
    return List.of(
        new Variant(
            "its optimiser",
            body -> new Own(body, v -> sgdSteps(v, body.learningRate(), DECAY, false))),
        new Variant(
            "its fused kernel",
            body -> new Own(body, v -> sgdSteps(v, body.learningRate(), DECAY, true))),
        new Variant("in place by hand", body -> new SgdByHand(body)));
  }

  static List<Variant> adamW() {
    return List.of(
        new Variant(
            "its optimiser",
            body -> new Own(body, v -> adamWSteps(v, body.learningRate(), BETA2, DECAY, false))),
        new Variant(
            "its fused kernel",
            body -> new Own(body, v -> adamWSteps(v, body.learningRate(), BETA2, DECAY, true))),
        new Variant("in place by hand", body -> new AdamWByHand(body)));
  }

  private static Optimizer sgd(TensorVector values, double learningRate, double decay) {
    SGDOptions options = new SGDOptions(learningRate);
    options.momentum().put(MOMENTUM);
    options.weight_decay().put(decay);
    return new SGD(values, options);
  }

  private static Optimizer adamW(
      TensorVector values, double learningRate, double beta2, double decay) {
    AdamWOptions options = new AdamWOptions(learningRate);
    DoublePointer betas = options.betas();
    betas.put(0, BETA1).put(1, beta2);
    options.eps().put(EPS);
    options.weight_decay().put(decay);
    return new AdamW(values, options);
  }

  /** Updates a model's parameters. */
  interface Steps {
    void zeroGradients();

    void step();
  }

  /** By libtorch's class, or by its fused kernel. */
  static Steps sgdSteps(TensorVector values, double learningRate, double decay, boolean fused) {
    Optimizer optimizer = sgd(values, learningRate, decay);
    return fused
        ? new FusedSteps(optimizer, values, learningRate, fusedSgd(decay))
        : new OwnSteps(optimizer);
  }

  /** By libtorch's class, or by its fused kernel. */
  static Steps adamWSteps(
      TensorVector values, double learningRate, double beta2, double decay, boolean fused) {
    Optimizer optimizer = adamW(values, learningRate, beta2, decay);
    return fused
        ? new FusedSteps(optimizer, values, learningRate, fusedAdamW(beta2, decay))
        : new OwnSteps(optimizer);
  }

  private record OwnSteps(Optimizer optimizer) implements Steps {
    @Override
    public void zeroGradients() {
      optimizer.zero_grad();
    }

    @Override
    public void step() {
      optimizer.step();
    }
  }

  private abstract static class Step implements Program {
    final Tensor value;
    final Tensor gradient;
    final double learningRate;

    Step(Body body) {
      value = Torch.of(body.tensors().get("value")).clone();
      gradient = Torch.of(body.tensors().get("gradient"));
      learningRate = body.learningRate();
    }

    abstract void step();

    @Override
    public Map<String, Tensor> run() {
      try (NoGradGuard none = new NoGradGuard()) {
        step();
        return Map.of("value", value);
      }
    }
  }

  /**
   * libtorch's own: its class, which makes several passes of elementwise operations, or its kernel.
   */
  private static final class Own extends Step {
    private final Steps steps;

    Own(Body body, java.util.function.Function<TensorVector, Steps> maker) {
      super(body);
      value.requires_grad_(true);
      value.mutable_grad().put(gradient);
      steps = maker.apply(new TensorVector(value));
    }

    @Override
    void step() {
      steps.step();
    }
  }

  // The C++ API does not name the fused kernels; TorchScript does. Lists are made apart: a call
  // over lists that the function itself made is taken for one without effect, and left out.
  private static final String LIST =
      "def list(x: Tensor):\n  return [x]\n"
          + "def append(xs: List[Tensor], x: Tensor):\n  xs.append(x)\n";

  private static final String FUSED =
      "def step(w: List[Tensor], g: List[Tensor], m: List[Tensor], v: List[Tensor],"
          + " n: List[Tensor], lr: float):\n  torch.";

  private static String fusedSgd(double decay) {
    return FUSED
        + "_fused_sgd_(w, g, m, weight_decay=%s, momentum=%s, lr=lr, dampening=0.0,"
            .formatted(decay, MOMENTUM)
        + " nesterov=False, maximize=False, is_first_step=False)\n";
  }

  private static String fusedAdamW(double beta2, double decay) {
    return FUSED
        + "_fused_adamw_(w, g, m, v, [], n, lr=lr, beta1=%s, beta2=%s, weight_decay=%s, eps=%s,"
            .formatted(BETA1, beta2, decay, EPS)
        + " amsgrad=False, maximize=False)\n";
  }

  private static final class FusedSteps implements Steps {
    private final Optimizer optimizer;
    private final TensorVector values;
    private final double learningRate;
    private final Function function;
    private final Function list;
    private final Function append;
    private final IValue valueList;
    private final IValue first;
    private final IValue second;
    private final IValue counts;

    /**
     * @param optimizer what lets go of gradients alone
     */
    FusedSteps(Optimizer optimizer, TensorVector values, double learningRate, String source) {
      this.optimizer = optimizer;
      this.values = values;
      this.learningRate = learningRate;
      CompilationUnit unit = torch.compile(LIST + source);
      function = unit.find_function(new QualifiedName("step"));
      list = unit.find_function(new QualifiedName("list"));
      append = unit.find_function(new QualifiedName("append"));
      valueList = list(value -> value);
      first = list(torch::zeros_like);
      second = list(torch::zeros_like);
      counts = list(value -> torch.ones(1));
    }

    private IValue list(UnaryOperator<Tensor> of) {
      IValue tensors = list.apply(new IValueVector(new IValue(of.apply(values.get(0)))));
      for (long i = 1; i < values.size(); i++) {
        append.apply(new IValueVector(tensors, new IValue(of.apply(values.get(i)))));
      }
      return tensors;
    }

    @Override
    public void zeroGradients() {
      optimizer.zero_grad();
    }

    @Override
    public void step() {
      try (NoGradGuard none = new NoGradGuard()) {
        function.apply(
            new IValueVector(
                valueList, list(Tensor::grad), first, second, counts, new IValue(learningRate)));
      }
    }
  }

  private static final class SgdByHand extends Step {
    private final Tensor momentum;

    SgdByHand(Body body) {
      super(body);
      momentum = torch.zeros_like(value);
    }

    @Override
    void step() {
      momentum.mul_(new Scalar(MOMENTUM)).add_(gradient).add_(value, new Scalar(DECAY));
      value.add_(momentum, new Scalar(-learningRate));
    }
  }

  /** Its first step, over and over, as the case takes it. */
  private static final class AdamWByHand extends Step {
    private final Tensor first;
    private final Tensor second;
    private final Tensor root;

    AdamWByHand(Body body) {
      super(body);
      first = torch.zeros_like(value);
      second = torch.zeros_like(value);
      root = torch.empty_like(value);
    }

    @Override
    void step() {
      value.mul_(new Scalar(1 - learningRate * DECAY));
      first.lerp_(gradient, new Scalar(1 - BETA1));
      second.mul_(new Scalar(BETA2)).addcmul_(gradient, gradient, new Scalar(1 - BETA2));
      torch.sqrt_out(root, second).div_(new Scalar(Math.sqrt(1 - BETA2))).add_(new Scalar(EPS));
      value.addcdiv_(first, root, new Scalar(-learningRate / (1 - BETA1)));
    }
  }
}
