// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.List;

/** What native functions take for each kind of argument: NULL for null. */
abstract class KernelCalls {
  private final Device device;
  private final MemorySegment answer = Arena.ofAuto().allocate(ValueLayout.JAVA_LONG);

  /**
   * The tensors of the call under way. Native code has their bare addresses: nothing else would
   * keep the collector from memory that is wrapped and not looked at again after the call.
   */
  private final List<Tensor> inUse = new ArrayList<>();

  KernelCalls(Device device) {
    this.device = device;
  }

  MemorySegment handle() {
    return device.handle();
  }

  /** Where a function that asks for bytes writes its {@code size_t}. */
  MemorySegment answer() {
    return answer;
  }

  /** Ends a call that was given tensors. */
  void check(String function, int status) {
    Reference.reachabilityFence(inUse);
    inUse.clear();
    LorikeetException.check(function, status);
  }

  /** What a function that asks for bytes wrote. */
  long answer(String function, int status) {
    LorikeetException.check(function, status);
    return answer.get(ValueLayout.JAVA_LONG, 0);
  }

  MemorySegment use(Tensor tensor) {
    if (tensor == null) {
      return MemorySegment.NULL;
    }
    MemorySegment descriptor = tensor.descriptor();
    if (tensor.device() != device) {
      throw new IllegalArgumentException(
          tensor + " is memory of another " + tensor.device() + ", expected this one's");
    }
    inUse.add(tensor);
    return descriptor;
  }

  static MemorySegment shape(Tensor tensor) {
    return tensor == null ? MemorySegment.NULL : tensor.shapeDescriptor();
  }

  MemorySegment use(Weight weight) {
    return weight == null ? MemorySegment.NULL : weight.use(this);
  }

  static MemorySegment shape(Weight weight) {
    return weight == null ? MemorySegment.NULL : weight.shape();
  }

  MemorySegment use(Lora lora) {
    return lora == null ? MemorySegment.NULL : lora.use(this);
  }

  static MemorySegment shape(Lora lora) {
    return lora == null ? MemorySegment.NULL : lora.shape();
  }

  MemorySegment use(Epilogue epilogue) {
    return epilogue == null ? MemorySegment.NULL : epilogue.use(this);
  }

  MemorySegment use(LinearBackwardOptions options) {
    return options == null ? MemorySegment.NULL : options.use(this);
  }

  static MemorySegment use(RandomKey random) {
    return random == null ? MemorySegment.NULL : random.struct();
  }

  /** The memory of a workspace or of a weight's storage. */
  MemorySegment data(Tensor memory) {
    if (memory == null) {
      return MemorySegment.NULL;
    }
    use(memory);
    if (!memory.isContiguous()) {
      throw new IllegalArgumentException(memory + ", expected contiguous memory");
    }
    return memory.data();
  }

  static long bytes(Tensor memory) {
    return memory == null ? 0 : memory.bytes();
  }
}
