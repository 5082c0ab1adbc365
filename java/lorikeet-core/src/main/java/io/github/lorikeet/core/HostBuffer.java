// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.HostMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Host memory that uploads to a device are fastest from: page-locked for a CUDA device. It is to be
 * closed before the device is. What {@link Tensor#uploadAsync} was given may be changed again after
 * {@link Device#awaitUploads}.
 */
public final class HostBuffer implements AutoCloseable {
  private final Device device;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment block;
  private final MemorySegment memory;
  private boolean closed;

  HostBuffer(Device device, long bytes) {
    this.device = device;
    block = device.allocateHostBlock(bytes);
    memory = HostMemory.of(block, bytes, arena);
  }

  /** All of it, aligned to 64 bytes; unusable once the buffer is closed. */
  public MemorySegment memory() {
    return memory;
  }

  /** Frees the memory. Closing again does nothing. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    arena.close(); // refused while native code of another thread reads the memory
    closed = true;
    try {
      device.awaitUploads();
    } finally {
      device.freeHostBlock(block);
    }
  }
}
