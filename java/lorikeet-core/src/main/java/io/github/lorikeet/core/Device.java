// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static io.github.lorikeet.core.LorikeetException.check;

import io.github.lorikeet.core.ffi.Lorikeet;
import io.github.lorikeet.core.ffi.NativeLibrary;
import io.github.lorikeet.core.ffi.lk_device_info;
import io.github.lorikeet.core.ffi.lk_memory_info;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A processor that runs kernels, and its memory. Calls on one device, its tensors included, must
 * not overlap in time; different devices are independent.
 */
public final class Device implements AutoCloseable {
  private static final long STAGING_BYTES = 1 << 16;

  private final String name;
  private final Kernels kernels = new Kernels(this);
  private MemorySegment handle;
  private MemorySegment staging;

  private Device(String name, MemorySegment handle) {
    this.name = name;
    this.handle = handle;
  }

  /**
   * Opens a device.
   *
   * @param name {@code cpu}, or {@code cuda:N} for CUDA device N
   * @param threads worker threads, 0 for one a processor
   * @throws LorikeetException when there is no such device, or the native library does not load
   */
  public static Device open(String name, int threads) {
    try {
      NativeLibrary.load();
      NativeLibrary.providePlugin(name.split(":", 2)[0]);
    } catch (UnsatisfiedLinkError e) {
      throw new LorikeetException(Status.UNSUPPORTED, e.getMessage(), e);
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment answer = arena.allocate(ValueLayout.ADDRESS);
      check("device_open", Lorikeet.lk_device_open(arena.allocateFrom(name), threads, answer));
      return new Device(name, answer.get(ValueLayout.ADDRESS, 0));
    }
  }

  /** The name this device was opened by. */
  public String name() {
    return name;
  }

  /** What the device is. */
  public DeviceInfo info() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = lk_device_info.allocate(arena);
      check("device_describe", Lorikeet.lk_device_describe(handle(), info));
      return DeviceInfo.of(info);
    }
  }

  /** The device's memory now. */
  public MemoryInfo memory() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = lk_memory_info.allocate(arena);
      check("memory", Lorikeet.lk_memory(handle(), info));
      return MemoryInfo.of(info);
    }
  }

  /** Sets {@link MemoryInfo#peakBytes} to the bytes live now. */
  public void resetPeak() {
    check("memory_reset_peak", Lorikeet.lk_memory_reset_peak(handle()));
  }

  /**
   * For tests: the {@code countdown}-th allocation from now (1: the next) fails with {@link
   * Status#OUT_OF_MEMORY}, once. 0 switches this off.
   */
  public void failAllocation(long countdown) {
    check("fail_allocation", Lorikeet.lk_fail_allocation(handle(), countdown));
  }

  /** Returns when all work given to the device has ended. */
  public void synchronize() {
    check("synchronize", Lorikeet.lk_synchronize(handle()));
  }

  /** The operations of this device. */
  public Kernels kernels() {
    return kernels;
  }

  /**
   * Allocates a tensor, contents undefined. Closing it frees its memory.
   *
   * @throws LorikeetException with {@link Status#OUT_OF_MEMORY} when there is no such block left
   */
  public Tensor allocate(DType type, long... sizes) {
    return Tensor.allocate(this, type, sizes);
  }

  /**
   * Ends the device; closing it again does nothing.
   *
   * @throws LorikeetException when tensors of it are still open: it stays open then
   */
  @Override
  public void close() {
    if (handle != null) {
      check("device_close", Lorikeet.lk_device_close(handle));
      handle = null;
    }
  }

  /** The {@code lk_device*}. */
  MemorySegment handle() {
    if (handle == null) {
      throw new IllegalStateException("device " + name + " is closed");
    }
    return handle;
  }

  MemorySegment allocateBlock(long bytes) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment block = arena.allocate(ValueLayout.ADDRESS);
      check("allocate", Lorikeet.lk_allocate(handle(), bytes, block));
      return block.get(ValueLayout.ADDRESS, 0);
    }
  }

  void freeBlock(MemorySegment block) {
    check("free", Lorikeet.lk_free(handle(), block));
  }

  /** Copies host memory to an address of the device; memory on the Java heap goes in pieces. */
  void upload(long destination, MemorySegment source) {
    long step = source.isNative() ? source.byteSize() : STAGING_BYTES;
    for (long offset = 0; offset < source.byteSize(); offset += step) {
      MemorySegment piece = source.asSlice(offset, Math.min(step, source.byteSize() - offset));
      if (!piece.isNative()) {
        piece = staging(piece.byteSize()).copyFrom(piece);
      }
      MemorySegment target = MemorySegment.ofAddress(destination + offset);
      check("upload", Lorikeet.lk_upload(handle(), target, piece, piece.byteSize()));
    }
  }

  /** Copies from an address of the device to host memory. */
  void download(MemorySegment destination, long source) {
    long step = destination.isNative() ? destination.byteSize() : STAGING_BYTES;
    for (long offset = 0; offset < destination.byteSize(); offset += step) {
      MemorySegment piece =
          destination.asSlice(offset, Math.min(step, destination.byteSize() - offset));
      MemorySegment host = piece.isNative() ? piece : staging(piece.byteSize());
      MemorySegment origin = MemorySegment.ofAddress(source + offset);
      check("download", Lorikeet.lk_download(handle(), host, origin, piece.byteSize()));
      if (host != piece) {
        piece.copyFrom(host);
      }
    }
  }

  private MemorySegment staging(long bytes) {
    if (staging == null) {
      staging = Arena.ofAuto().allocate(STAGING_BYTES);
    }
    return staging.asSlice(0, bytes);
  }

  @Override
  public String toString() {
    return "device " + name;
  }
}
