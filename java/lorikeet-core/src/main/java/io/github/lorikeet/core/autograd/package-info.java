// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Training steps: recorded once over shapes, planned, then replayed.
 *
 * <pre>{@code
 * Parameter weight = new Parameter("head.weight", HostTensor.of(start, 14, 768), true);
 * Parameter bias = new Parameter("head.bias", HostTensor.of(new float[14], 14), true);
 * Tape tape = new Tape(device, true);
 * Variable x = tape.input(DType.F32, 64, 768);
 * Variable y = tape.input(DType.F32, 64, 14);
 * Variable loss = tape.bceWithLogits(tape.linear(x, new Linear(weight, bias)), y);
 * tape.backward(loss);
 * Sgd sgd = new Sgd(0.9f);
 * try (MemoryPlan plan = MemoryPlan.of(sgd, tape)) {
 *   System.out.print(plan);
 *   plan.allocate();
 *   for (int step = 0; step < 100; step++) {
 *     x.tensor().upload(images);
 *     y.tensor().upload(labels);
 *     tape.run(step, false);
 *     sgd.step(0.1f);
 *   }
 * }
 * }</pre>
 *
 * <p>How it works. An operation's class is its forward call, its backward calls and what it saves.
 * Calls go to one flat list, each with the tensors it reads and writes. A tensor lives from the
 * call that writes it first to the call that uses it last; {@code Lifetimes} finds that, {@code
 * ArenaPlanner} packs the intervals, scratch memory of single calls included, into one block. Since
 * the list holds nothing that no trained parameter needs, nothing is saved for it either: a linear
 * probe keeps no activation of the blocks below it.
 *
 * <p>Gradients. A variable's gradient is the sum of what its uses contribute, last use first. The
 * gradient of a residual is the tensor that came in, handed on, and the branch's layer
 * normalisation adds to it in place. GELU's derivative is taken by the linear layer behind it.
 * Frozen parameters get no gradient and no call.
 *
 * <p>Types. Activations are f32, bf16 or f16, as {@link Tape} was told; parameters, gradients and
 * moments f32. Each run rounds a trained weight once for the layers that need it in 16 bits.
 *
 * <p>Making again instead of keeping. Outputs of normalisations, and of GELU where the backward
 * pass keeps its argument, are one pass over memory away from what is kept anyway: that pass is
 * recorded again before the backward call that reads them, and lifetimes take care of the rest.
 */
package io.github.lorikeet.core.autograd;
