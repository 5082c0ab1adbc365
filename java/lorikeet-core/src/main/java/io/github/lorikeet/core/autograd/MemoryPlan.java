// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.DeviceInfo;
import io.github.lorikeet.core.Kernels;
import io.github.lorikeet.core.LorikeetException;
import io.github.lorikeet.core.Status;
import io.github.lorikeet.core.Tensor;
import io.github.lorikeet.core.autograd.ArenaPlanner.Layout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * All device memory of a model, its tapes and its optimiser, known before any of it is allocated: a
 * few blocks, whose sum is what the device will have in use at most, to the byte.
 *
 * <ul>
 *   <li>A frozen weight of linear layers is on the device once, packed; what else is frozen, as it
 *       stands; what is trained, as it stands, with its gradient and as many moments as the
 *       optimiser keeps. The copies of trained weights that 16-bit activations need, made anew in
 *       every run, count as activations.
 *   <li>Tapes share the memory of their inputs and their activations, as they run one at a time: it
 *       is as large as the most any of them needs. Weights are packed by way of it, too, so that
 *       loading needs no memory that running does not.
 * </ul>
 *
 * <p>Plans that were not allocated cost nothing and need not be closed. Closing an allocated plan
 * frees everything, the trained values included.
 */
public final class MemoryPlan implements AutoCloseable {
  /** What a kind of tensors needs; only kinds that need anything have a row. */
  public record Row(String name, long bytes) {}

  /** Tensors with a common fate, side by side in one allocation. */
  private static final class Block {
    private final String name;
    private final Map<Tensor, Long> offsets = new LinkedHashMap<>();
    private long bytes;
    private Tensor memory;

    Block(String name) {
      this.name = name;
    }

    /** Makes room behind what is there. */
    void append(Tensor tensor) {
      offsets.put(tensor, bytes);
      bytes += ArenaPlanner.align(tensor.bytes(), ALIGNMENT);
    }

    void allocate(Device device) {
      if (bytes > 0) {
        memory = device.allocate(DType.U8, bytes);
        offsets.forEach((tensor, offset) -> tensor.place(memory, offset));
      }
    }

    void fillWithZeros(Kernels kernels) {
      if (bytes > 0) {
        Tensor all = Tensor.unplaced(DType.F32, bytes / DType.F32.bytes());
        all.place(memory, 0);
        kernels.fill(all, 0);
      }
    }

    void free() {
      if (memory != null) {
        memory.close();
        memory = null;
      }
    }
  }

  /** Bytes; what the library asks of workspaces and packed weights. */
  private static final long ALIGNMENT = 64;

  private final Device device;
  private final Optimizer optimizer;
  private final Optimizer.Work work;
  private final List<Tape> tapes;
  private final List<Parameter> parameters;

  /** The storage of those that are packed. */
  private final Map<Parameter, Tensor> packed = new HashMap<>();

  private final Block packedWeights = new Block("frozen weights, packed");
  private final Block frozenWeights = new Block("frozen weights, plain");
  private final Block trainedWeights = new Block("trained weights");
  private final Block gradients = new Block("gradients");
  private final Block optimizerState = new Block("optimiser state");
  private final Block inputs = new Block("inputs");
  private final Block arena = new Block("activations and workspace");
  private final List<Block> blocks =
      List.of(
          packedWeights, frozenWeights, trainedWeights, gradients, optimizerState, inputs, arena);
  private boolean allocated;

  /**
   * Plans the memory of tapes, which end their recording with this, and of all parameters they use.
   *
   * @param optimizer what will train those parameters that are trainable; null where nothing will,
   *     or the caller does it
   * @param tapes of one device; they run one at a time
   */
  public static MemoryPlan of(Optimizer optimizer, Tape... tapes) {
    return new MemoryPlan(optimizer, List.of(tapes));
  }

  private MemoryPlan(Optimizer optimizer, List<Tape> tapes) {
    if (tapes.isEmpty()) {
      throw new IllegalArgumentException("no tapes, expected one or more");
    }
    this.device = tapes.getFirst().device();
    this.optimizer = optimizer;
    this.tapes = tapes;
    Set<Parameter> used = new LinkedHashSet<>();
    for (Tape tape : tapes) {
      if (tape.device() != device) {
        throw new IllegalArgumentException("tapes of several devices, expected all of one");
      }
      used.addAll(tape.parameters());
    }
    parameters = List.copyOf(used);
    checkNames();
    List<Parameter> trained = parameters.stream().filter(Parameter::trainable).toList();
    if (optimizer != null && trained.isEmpty()) {
      throw new IllegalArgumentException("an optimiser, but no trainable parameter on the tapes");
    }
    boolean scalesLoss = optimizer != null && tapes.stream().anyMatch(Tape::hasNarrowGradients);
    work = optimizer == null ? null : optimizer.plan(device, trained, scalesLoss);
    planParameters();
    planOptimizer(trained);
    tapes.forEach(this::planTape);
  }

  private void checkNames() {
    Set<String> names = new HashSet<>();
    for (Parameter parameter : parameters) {
      if (!names.add(parameter.name())) {
        throw new IllegalArgumentException("two parameters named " + parameter.name());
      }
    }
  }

  private void planParameters() {
    for (Parameter parameter : parameters) {
      if (parameter.trainable()) {
        trainedWeights.append(parameter.valueTensor());
        gradients.append(parameter.gradientTensor());
      } else if (parameter.isPlain()) {
        frozenWeights.append(parameter.valueTensor());
      }
      if (parameter.isPacked()) {
        Tensor storage = Tensor.unplaced(DType.U8, parameter.packedBytes(device.kernels()));
        packed.put(parameter, storage);
        packedWeights.append(storage);
      }
      long staging = ArenaPlanner.align(parameter.stagingBytes(), ALIGNMENT);
      arena.bytes = Math.max(arena.bytes, staging);
    }
  }

  private void planOptimizer(List<Parameter> trained) {
    if (optimizer == null) {
      return;
    }
    for (int order = 1; order <= optimizer.moments(); order++) {
      for (Parameter parameter : trained) {
        optimizerState.append(parameter.momentTensor(order));
      }
    }
    for (Tensor scratch : work.scratch()) {
      optimizerState.append(scratch);
    }
  }

  private void planTape(Tape tape) {
    long end = 0;
    for (Variable input : tape.inputs()) {
      inputs.offsets.put(input.tensor(), end);
      end += ArenaPlanner.align(input.tensor().bytes(), ALIGNMENT);
    }
    inputs.bytes = Math.max(inputs.bytes, end);
    Lifetimes lifetimes = tape.lifetimes();
    Layout layout = ArenaPlanner.plan(lifetimes.intervals(), ALIGNMENT);
    List<List<Tensor>> tenants = lifetimes.tenants();
    for (int i = 0; i < tenants.size(); i++) {
      for (Tensor tensor : tenants.get(i)) {
        arena.offsets.put(tensor, layout.offsets()[i]);
      }
    }
    arena.bytes = Math.max(arena.bytes, layout.bytes());
  }

  // ---- What is planned

  /** One row for each kind of memory. */
  public List<Row> rows() {
    List<Row> rows = new ArrayList<>();
    for (Block block : blocks) {
      if (block.bytes > 0) {
        rows.add(new Row(block.name, block.bytes));
      }
    }
    return rows;
  }

  /** The rows' sum: what this plan will have allocated on the device, never more and never less. */
  public long peakBytes() {
    return blocks.stream().mapToLong(block -> block.bytes).sum();
  }

  /** All parameters on the tapes, in the order of their first use. */
  public List<Parameter> parameters() {
    return parameters;
  }

  /** Those that are trained, in the same order. */
  public List<Parameter> trainedParameters() {
    return parameters.stream().filter(Parameter::trainable).toList();
  }

  /** Elements of all parameters. */
  public long parameterCount() {
    return parameters.stream().mapToLong(Parameter::elements).sum();
  }

  /** Elements of the parameters that are trained. */
  public long trainedParameterCount() {
    return trainedParameters().stream().mapToLong(Parameter::elements).sum();
  }

  /** A table of the rows and their sum. */
  @Override
  public String toString() {
    StringBuilder table = new StringBuilder();
    List<Row> rows = new ArrayList<>(rows());
    rows.add(new Row("peak", peakBytes()));
    for (Row row : rows) {
      table.append(String.format(Locale.ROOT, "%-28s %14s%n", row.name(), megabytes(row.bytes())));
    }
    return table.toString();
  }

  // ---- Memory

  /**
   * Allocates everything, brings the parameters' initial values to the device, and sets gradients
   * and moments to zero. The tapes and the optimiser are ready then.
   *
   * @throws io.github.lorikeet.core.LorikeetException with status OUT_OF_MEMORY where the device
   *     has no room, and with this plan in its message; nothing is left allocated then, and it may
   *     be tried again
   */
  public void allocate() {
    if (allocated) {
      throw new IllegalStateException("the memory plan is allocated already");
    }
    parameters.forEach(Parameter::checkUnused);
    tapes.forEach(Tape::checkUnused);
    if (optimizer != null) {
      optimizer.checkUnused();
    }
    try {
      blocks.forEach(block -> block.allocate(device));
      gradients.fillWithZeros(device.kernels());
      optimizerState.fillWithZeros(device.kernels());
      for (Parameter parameter : parameters) {
        parameter.upload(device.kernels(), packed.get(parameter), arena.memory);
      }
    } catch (Throwable e) {
      blocks.forEach(Block::free);
      if (e instanceof LorikeetException failure && failure.status() == Status.OUT_OF_MEMORY) {
        throw doesNotFit(failure);
      }
      throw e;
    }
    allocated = true;
    int moments = optimizer == null ? 0 : optimizer.moments();
    for (Parameter parameter : parameters) {
      parameter.allocated(parameter.isPlain(), moments);
    }
    Tape.Turn turn = new Tape.Turn();
    tapes.forEach(tape -> tape.ready(turn));
    if (optimizer != null) {
      optimizer.attach(work);
      tapes.forEach(tape -> tape.scaleLoss(work.lossScale()));
    }
  }

  private LorikeetException doesNotFit(LorikeetException cause) {
    DeviceInfo info = device.info();
    return new LorikeetException(
        Status.OUT_OF_MEMORY,
        "device %s of %s has no room for the %s planned (%s); a smaller batch needs less:%n%s"
            .formatted(
                info.name(),
                megabytes(info.totalMemory()),
                megabytes(peakBytes()),
                cause.getMessage(),
                toString().stripTrailing()),
        cause);
  }

  private static String megabytes(long bytes) {
    return String.format(Locale.ROOT, "%.1f MB", bytes / 1e6);
  }

  /** For tests: the memory that activations share; null where there is none. */
  Tensor arena() {
    return arena.memory;
  }

  /** Frees everything; the tapes, the optimiser and the parameters have no memory from then on. */
  @Override
  public void close() {
    if (!allocated) {
      return;
    }
    allocated = false;
    tapes.forEach(tape -> tape.ready(null));
    parameters.forEach(Parameter::released);
    if (optimizer != null) {
      optimizer.attach(null);
    }
    blocks.forEach(Block::free);
  }
}
