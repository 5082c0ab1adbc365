// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Host memory that native code gave out. */
public final class HostMemory {
  private HostMemory() {}

  /**
   * The memory at an address, for Java to use until the arena is closed.
   *
   * @param bytes that are there
   */
  public static MemorySegment of(MemorySegment address, long bytes, Arena arena) {
    return address.reinterpret(bytes, arena, null);
  }
}
