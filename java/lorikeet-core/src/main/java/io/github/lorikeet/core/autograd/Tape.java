// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * A step of a model, recorded once over shapes and then run as often as wanted.
 *
 * <ol>
 *   <li>Record: {@link #input}, then operations, then {@link #backward}. Nothing is computed; every
 *       operation appends its forward call to a flat list, and the backward pass appends the calls
 *       that some trained parameter needs, and no others.
 *   <li>Plan: a {@link MemoryPlan} over one tape or several gives every tensor its place. What a
 *       forward call saves for a backward call is written only where that exists, and lives only as
 *       long.
 *   <li>Run: fill the inputs, {@link #run}, read the results. A run allocates nothing.
 * </ol>
 *
 * <p>Rows: where an operation works on rows, all dimensions but the last count as one. Shapes that
 * do not fit are an {@link IllegalArgumentException} at recording.
 *
 * <p>A tape's memory is its memory plan's, and ends with that. Not for use by several threads at
 * once.
 */
public final class Tape {
  private final Recording recording;
  private Call[] calls;
  private int forwardCalls = -1;
  private boolean beginsAtLoss;

  /** Null without memory. */
  private Turn turn;

  /**
   * What the tapes of one memory plan share: which of them has run its forward pass last, and may
   * go back.
   */
  static final class Turn {
    private Tape tape;
  }

  /**
   * A tape whose random numbers have seed 0.
   *
   * @param training whether dropout and drop path draw, and a backward pass may be recorded
   */
  public Tape(Device device, boolean training) {
    this(device, training, 0);
  }

  /**
   * @param training whether dropout and drop path draw, and a backward pass may be recorded
   * @param seed of all random numbers; the n-th random operation recorded draws from stream n
   */
  public Tape(Device device, boolean training, long seed) {
    this(device, training, seed, DType.F32);
  }

  /**
   * @param training whether dropout and drop path draw, and a backward pass may be recorded
   * @param seed of all random numbers; the n-th random operation recorded draws from stream n
   * @param activations what {@link #patchEmbed} makes: f32, bf16 or f16. Other operations make what
   *     their input is, but {@link #meanPool}, whose output is f32. Parameters, their gradients and
   *     what the optimiser keeps are f32 all the same
   * @throws IllegalArgumentException if the device does not compute these
   */
  public Tape(Device device, boolean training, long seed, DType activations) {
    if (!device.info().dtypes().contains(activations)) {
      throw new IllegalArgumentException(
          "%s activations: device %s does not compute these, CUDA devices do"
              .formatted(activations, device.info().name()));
    }
    recording = new Recording(device, training, seed, activations);
  }

  // ---- Recording

  /**
   * A tensor to be filled, by {@code tensor().upload}, before a run; it holds its contents from run
   * to run, unless another tape of the same plan runs or is filled between.
   */
  public Variable input(DType type, long... sizes) {
    recording.checkOpen();
    Tensor tensor = Tensor.unplaced(type, sizes);
    Variable input = new Variable(recording, tensor, null, false);
    recording.inputs.add(input);
    return input;
  }

  /**
   * Holds a variable's contents to the end of the step, so that it can be read after the run. In 16
   * bits a GELU's output that is held is not made again for the backward pass, which rounds it
   * otherwise.
   */
  public Variable keep(Variable variable) {
    recording.checkOpen();
    recording.checkOwn(variable);
    recording.kept.add(variable.tensor());
    return variable;
  }

  /** y [.., outputs] = residual + dropPath ∘ gelu(x Wᵀ + bias + LoRA), x rows [.., inputs]. */
  public Variable linear(Variable x, Linear layer, LinearOptions options) {
    return new LinearOperation(recording, x, layer, options).output();
  }

  /** y [.., outputs] = x Wᵀ + bias + LoRA, x rows [.., inputs]. */
  public Variable linear(Variable x, Linear layer) {
    return linear(x, layer, LinearOptions.NONE);
  }

  /**
   * Softmax attention of every token over all, with scale 1/sqrt(d).
   *
   * @param qkv [batch, tokens, 3 * heads * d]: queries, keys, values, each by head
   * @return [batch, tokens, heads * d]
   */
  public Variable attention(Variable qkv, int heads) {
    return new AttentionOperation(recording, qkv, heads).output();
  }

  /** Layer normalisation of rows. */
  public Variable layerNorm(Variable x, LayerNorm layer) {
    return new LayerNormOperation(recording, x, layer).output();
  }

  /** x Φ(x). After a linear layer, {@link LinearOptions#GELU} does the same in one pass. */
  public Variable gelu(Variable x) {
    return new GeluOperation(recording, x).output();
  }

  /** a + b, of one shape. */
  public Variable add(Variable a, Variable b) {
    return new AddOperation(recording, a, b).output();
  }

  /**
   * A vision transformer's first layer: the images' patches, row by row, projected.
   *
   * @param images [batch, channels, height, width]; one channel stands for as many equal ones as
   *     the projection has
   * @param patch pixels a side; divides height and width
   * @param projection weight [width, channels, patch, patch]
   * @param position rows [tokens, width], added; null for none
   * @param classToken [width], goes before the patches (and gets position 0); null for none
   * @return [batch, tokens, width]
   */
  public Variable patchEmbed(
      Variable images, int patch, Linear projection, Parameter position, Parameter classToken) {
    return new PatchEmbedOperation(recording, images, patch, projection, position, classToken)
        .output();
  }

  /** [batch, k]: the mean of tokens {@code firstToken}.. of x [batch, tokens, k]. */
  public Variable meanPool(Variable x, int firstToken) {
    return new MeanPoolOperation(recording, x, firstToken).output();
  }

  /**
   * [batch, s, k]: tokens of x [batch, tokens, k].
   *
   * @param indices [batch, s], i32; those of a sample differ where a gradient is needed
   */
  public Variable tokenGather(Variable x, Variable indices) {
    return new TokenGatherOperation(recording, x, indices).output();
  }

  /**
   * The way back, for a masked autoencoder's decoder (He et al., arXiv 2111.06377): [batch, tokens,
   * k].
   *
   * @param x [batch, s, k]
   * @param indices [batch, s], i32, distinct in a sample: where x's tokens go
   * @param tokens of the result
   * @param fill [k], the token everywhere else
   * @param position rows [tokens, k], frozen, added to all; null for none
   */
  public Variable tokenScatter(
      Variable x, Variable indices, long tokens, Parameter fill, Parameter position) {
    return new TokenScatterOperation(recording, x, indices, tokens, fill, position).output();
  }

  /**
   * Stochastic depth's scales [samples] (Huang et al., arXiv 1603.09382): 0 with probability p,
   * else 1/(1-p), drawn anew each step; for {@link LinearOptions}.
   *
   * @return null where there is nothing to drop: p is 0, or the tape is not for training
   */
  public Variable dropPathScales(float p, long samples) {
    if (!(p >= 0 && p < 1)) {
      throw new IllegalArgumentException("p " + p + ": expected 0 <= p < 1");
    }
    boolean draws = recording.training && p > 0;
    return draws ? new DropPathOperation(recording, p, samples).output() : null;
  }

  /** The mean binary cross-entropy [1] of sigmoid(logits) against targets (0 to 1) of one shape. */
  public Variable bceWithLogits(Variable logits, Variable targets) {
    return new BceOperation(recording, logits, targets).output();
  }

  /**
   * A masked autoencoder's loss [1]: the mean squared difference of predicted patches and the
   * images' own, each of those normalised by its own mean and unbiased variance + eps.
   *
   * @param prediction [batch, s, patch * patch * channels] in the order row, column, channel
   * @param images [batch, channels, height, width]; one channel stands for as many as needed
   * @param indices [batch, s], i32: which patches, counted row by row without a class token
   */
  public Variable patchMse(
      Variable prediction, Variable images, int patch, Variable indices, float eps) {
    return new PatchMseOperation(recording, prediction, images, patch, indices, eps).output();
  }

  /**
   * Records the backward pass of a loss, after everything else. With f16 activations and an
   * optimiser in the memory plan, gradients come out multiplied by {@link Optimizer#lossScale},
   * which its steps make up for.
   */
  public void backward(Variable loss) {
    backward(loss, 1);
  }

  /**
   * Records the backward pass of scale times a loss, after everything else.
   *
   * @param scale such as 1 / accumulation steps
   */
  public void backward(Variable loss, float scale) {
    if (!(loss.producer() instanceof LossOperation operation)) {
      throw new IllegalArgumentException(loss + ": expected the output of a loss");
    }
    beginBackward(loss);
    beginsAtLoss = true;
    operation.backwardFrom(scale);
    recordBackward();
  }

  /**
   * Records the backward pass from a gradient that is computed elsewhere, after everything else. It
   * is taken as it is: with f16 activations too there is no {@link Optimizer#lossScale} then.
   *
   * @param outputGradient an input of output's shape, to be filled before {@link #runBackward}
   */
  public void backward(Variable output, Variable outputGradient) {
    if (output.type() != outputGradient.type()
        || !Arrays.equals(output.sizes(), outputGradient.sizes())
        || !recording.inputs.contains(outputGradient)) {
      throw new IllegalArgumentException(
          outputGradient + ": expected an input of the shape of " + output);
    }
    beginBackward(output);
    output.gradientSum().accept(outputGradient.tensor(), false);
    recordBackward();
  }

  private void beginBackward(Variable output) {
    recording.checkOpen();
    if (!recording.training || forwardCalls >= 0) {
      throw new IllegalStateException(
          "a backward pass is recorded once, on a tape that is for training");
    }
    if (output.recording() != recording || !output.requiresGradient()) {
      throw new IllegalArgumentException(
          output + ": nothing on this tape that it needs is trained");
    }
    forwardCalls = recording.calls.size();
  }

  private void recordBackward() {
    for (Operation operation : recording.operations.reversed()) {
      Variable output = operation.output();
      if (output.requiresGradient() && output.gradientSum().sum() != null) {
        operation.backward(output.gradientSum().sum());
      }
    }
    for (Variable input : recording.inputs) {
      if (input.requiresGradient() && input.gradient() != null) {
        recording.kept.add(input.gradient());
      }
    }
  }

  // ---- Running

  /**
   * Runs the forward pass, and the backward pass if there is one.
   *
   * @param step names the random numbers: the same step draws the same ones. 0 to 2^32 - 1; every
   *     pass of an accumulated gradient is a step of its own
   * @param addToParameters whether gradients of parameters are added to those that are there,
   *     instead of replacing them
   */
  public void run(long step, boolean addToParameters) {
    begin(step, addToParameters);
    turn.tape = null;
    run(0, calls.length);
  }

  /** Runs the forward pass alone; see {@link #run}. */
  public void runForward(long step) {
    begin(step, false);
    turn.tape = null;
    run(0, forwardCalls < 0 ? calls.length : forwardCalls);
    turn.tape = this;
  }

  /**
   * Runs the backward pass of the forward pass that ran last, with its step; see {@link #run}.
   * Once, for it overwrites what the forward pass saved, as other tapes of the plan do.
   *
   * @throws IllegalStateException if the last run of the plan's tapes was not this one's forward
   *     pass
   */
  public void runBackward(boolean addToParameters) {
    if (forwardCalls < 0) {
      throw new IllegalStateException("no backward pass is recorded");
    }
    begin(Integer.toUnsignedLong(recording.step), addToParameters);
    if (turn.tape != this) {
      throw new IllegalStateException(
          "what the backward pass needs is gone: run this tape's forward pass right before it");
    }
    turn.tape = null;
    run(forwardCalls, calls.length);
  }

  private void begin(long step, boolean addToParameters) {
    if (turn == null) {
      throw new IllegalStateException(
          "the tape has no memory: allocate a memory plan over it first");
    }
    if (step < 0 || step > 0xFFFF_FFFFL) {
      throw new IllegalArgumentException("step " + step + ": expected 0 to 2^32 - 1");
    }
    recording.step = (int) step;
    recording.addToParameters = addToParameters;
  }

  private void run(int from, int to) {
    for (int i = from; i < to; i++) {
      calls[i].run();
    }
  }

  // ---- For the memory plan

  Device device() {
    return recording.device;
  }

  /** Whether gradients need a loss scale: f16 reaches from 2^-24 to 65504 only. */
  boolean hasNarrowGradients() {
    return beginsAtLoss
        && (recording.activations == DType.F16
            || recording.inputs.stream().anyMatch(input -> input.type() == DType.F16));
  }

  /** From now on the loss is multiplied by this in the backward pass; null for 1. */
  void scaleLoss(LossScale scale) {
    recording.lossScale = scale;
  }

  Set<Parameter> parameters() {
    return recording.parameters;
  }

  List<Variable> inputs() {
    return recording.inputs;
  }

  /** Ends the recording and says how long each of its tensors lives. */
  Lifetimes lifetimes() {
    if (calls == null) {
      recording.seal();
      calls = recording.calls.toArray(Call[]::new);
    }
    return recording.lifetimes();
  }

  void checkUnused() {
    if (turn != null) {
      throw new IllegalStateException("the tape is part of another memory plan");
    }
  }

  /** From now on the tape has memory, which it shares with those of this turn; null ends that. */
  void ready(Turn turn) {
    this.turn = turn;
  }
}
