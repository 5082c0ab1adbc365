// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.lk_memory_info;
import java.lang.foreign.MemorySegment;

/**
 * A device's memory, counted where it is allocated.
 *
 * @param liveBytes allocated now, in bytes asked for
 * @param peakBytes most live at once since opening or the last {@link Device#resetPeak}
 * @param liveBlocks blocks allocated now
 * @param allocations allocations that succeeded, ever
 */
public record MemoryInfo(long liveBytes, long peakBytes, long liveBlocks, long allocations) {

  static MemoryInfo of(MemorySegment struct) {
    return new MemoryInfo(
        lk_memory_info.live_bytes(struct),
        lk_memory_info.peak_bytes(struct),
        lk_memory_info.live_blocks(struct),
        lk_memory_info.allocations(struct));
  }
}
