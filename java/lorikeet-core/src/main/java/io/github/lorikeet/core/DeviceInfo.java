// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.lk_device_info;
import java.lang.foreign.MemorySegment;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * What a device is.
 *
 * @param name as opened: {@code cpu}
 * @param processor what the processor calls itself
 * @param isa instruction set of the kernels in use, such as {@code avx512_bf16} or {@code avx2}
 * @param supported instruction sets this processor could run, best first
 * @param threads worker threads, the calling one included
 * @param dtypes types of activations that it computes, {@link DType#F32} always
 * @param totalMemory bytes
 */
public record DeviceInfo(
    String name,
    String processor,
    String isa,
    List<String> supported,
    int threads,
    Set<DType> dtypes,
    long totalMemory) {

  static DeviceInfo of(MemorySegment struct) {
    return new DeviceInfo(
        lk_device_info.name(struct).getString(0),
        lk_device_info.processor(struct).getString(0),
        lk_device_info.isa(struct).getString(0),
        List.of(lk_device_info.supported(struct).getString(0).split(" ")),
        lk_device_info.threads(struct),
        dtypes(lk_device_info.dtypes(struct)),
        lk_device_info.total_memory(struct));
  }

  /** Bit {@code 1 << code} for each type. */
  private static Set<DType> dtypes(int bits) {
    Set<DType> types = EnumSet.allOf(DType.class);
    types.removeIf(type -> (bits >> type.code() & 1) == 0);
    return Collections.unmodifiableSet(types);
  }
}
