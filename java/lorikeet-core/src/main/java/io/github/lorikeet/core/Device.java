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
  /** Worker threads that a CPU device may have. */
  public static final int MAX_THREADS = 1024;

  private static final long STAGING_BYTES = 1 << 16;

  private final String name;
  private final Kernels kernels = new Kernels(this);
  private Precision precision = Precision.EXACT;
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
   * @param threads worker threads, 0 for one a processor that this process may use
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
      // Java knows of a container's share of processors too.
      int usable = Math.min(Runtime.getRuntime().availableProcessors(), MAX_THREADS);
      int wanted = threads == 0 ? usable : threads;
      check("device_open", Lorikeet.lk_device_open(arena.allocateFrom(name), wanted, answer));
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

  /**
   * Hands in the CUDA stream that this device gives its work to from the next call on, and nothing
   * is waited for: work from before stays before. The stream remains the caller's and lives until
   * another was handed in or the device was closed; {@code lk_set_stream} in lorikeet.h has the
   * rules of order.
   *
   * @param stream a {@code cudaStream_t} of this device; {@link MemorySegment#NULL} for the
   *     device's own, the one it opens with
   * @throws LorikeetException with {@link Status#UNSUPPORTED} for a stream on a device without any
   */
  public void setStream(MemorySegment stream) {
    if (!stream.isNative()) {
      throw new IllegalArgumentException("stream: on the Java heap, expected a cudaStream_t");
    }
    check("set_stream", Lorikeet.lk_set_stream(handle(), stream));
  }

  /**
   * Says how later calls with f32 activations multiply matrices; {@link Precision#EXACT} so far.
   *
   * @throws LorikeetException with {@link Status#UNSUPPORTED} for {@link Precision#TF32} where the
   *     device has no such products
   */
  public void setPrecision(Precision precision) {
    check("set_precision", Lorikeet.lk_set_precision(handle(), precision.code()));
    this.precision = precision;
  }

  /** What was last set. */
  public Precision precision() {
    return precision;
  }

  /**
   * Returns when the sources of all {@link Tensor#uploadAsync} so far may be changed; kernels
   * called after these may still be at work.
   */
  public void awaitUploads() {
    check("await_uploads", Lorikeet.lk_await_uploads(handle()));
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
   * Allocates host memory to upload from, contents undefined.
   *
   * @param bytes more than 0
   */
  public HostBuffer allocateHost(long bytes) {
    return new HostBuffer(this, bytes);
  }

  /**
   * Ends the device; closing it again does nothing.
   *
   * @throws LorikeetException when tensors or host buffers of it are still open: it stays open then
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

  MemorySegment allocateHostBlock(long bytes) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment block = arena.allocate(ValueLayout.ADDRESS);
      check("allocate_host", Lorikeet.lk_allocate_host(handle(), bytes, block));
      return block.get(ValueLayout.ADDRESS, 0);
    }
  }

  void freeHostBlock(MemorySegment block) {
    check("free_host", Lorikeet.lk_free_host(handle(), block));
  }

  /** Copies elements from host memory to an address of the device. */
  void upload(MemorySegment source, DType from, long destination, DType to) {
    if (source.isNative() && from == to) {
      upload(source, destination);
      return;
    }
    long elements = source.byteSize() / from.bytes();
    long step = STAGING_BYTES / Math.max(from.bytes(), to.bytes());
    for (long i = 0; i < elements; i += step) {
      long count = Math.min(step, elements - i);
      MemorySegment piece = source.asSlice(i * from.bytes(), count * from.bytes());
      MemorySegment host = staging(count * to.bytes());
      if (from == to) {
        host.copyFrom(piece);
      } else {
        HostNumbers.convert(from, piece, to, host);
      }
      upload(host, destination + i * to.bytes());
    }
  }

  private void upload(MemorySegment host, long destination) {
    MemorySegment target = MemorySegment.ofAddress(destination);
    check("upload", Lorikeet.lk_upload(handle(), target, host, host.byteSize()));
  }

  /** Begins a copy from off-heap memory to an address of the device. */
  void uploadAsync(MemorySegment source, long destination) {
    MemorySegment target = MemorySegment.ofAddress(destination);
    check("upload_async", Lorikeet.lk_upload_async(handle(), target, source, source.byteSize()));
  }

  /** Copies elements from an address of the device to host memory. */
  void download(long source, DType from, MemorySegment destination, DType to) {
    if (destination.isNative() && from == to) {
      download(source, destination);
      return;
    }
    long elements = destination.byteSize() / to.bytes();
    long step = STAGING_BYTES / Math.max(from.bytes(), to.bytes());
    for (long i = 0; i < elements; i += step) {
      long count = Math.min(step, elements - i);
      MemorySegment host = staging(count * from.bytes());
      download(source + i * from.bytes(), host);
      MemorySegment piece = destination.asSlice(i * to.bytes(), count * to.bytes());
      if (from == to) {
        piece.copyFrom(host);
      } else {
        HostNumbers.convert(from, host, to, piece);
      }
    }
  }

  private void download(long source, MemorySegment host) {
    MemorySegment origin = MemorySegment.ofAddress(source);
    check("download", Lorikeet.lk_download(handle(), host, origin, host.byteSize()));
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
