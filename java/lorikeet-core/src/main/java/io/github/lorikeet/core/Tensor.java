// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import io.github.lorikeet.core.ffi.Lorikeet;
import io.github.lorikeet.core.ffi.lk_tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;

/**
 * A view of device memory: where it is, its dtype, sizes and strides (in elements). The memory is
 * the tensor's own ({@link Device#allocate}), another tensor's ({@link #view}, {@link #place}), or
 * the caller's ({@link #wrap}); using a tensor after its memory's owner was closed is an {@link
 * IllegalStateException}.
 *
 * <p>Not for use by several threads at once.
 */
public final class Tensor implements AutoCloseable {
  /** Stands for an address in descriptors that only describe a shape; nothing is ever there. */
  private static final long NOWHERE = Lorikeet.LK_ALIGNMENT();

  private final DType type;
  private final long[] sizes;
  private final long[] strides;
  private final long elements;
  private final boolean contiguous;

  /** The {@code lk_tensor}; lives as long as this object or whoever holds the segment. */
  private final MemorySegment descriptor = lk_tensor.allocate(Arena.ofAuto());

  /** What the descriptor names now. */
  private MemorySegment data = MemorySegment.NULL;

  /** Null while there is no memory. */
  private Device device;

  /** Whose memory this is, and how far in; null when it is {@link #memory}. */
  private Tensor base;

  private long offset;

  /** The memory itself, where no other tensor owns it. */
  private MemorySegment memory;

  private boolean owned;
  private boolean closed;

  private Tensor(DType type, long[] sizes, long[] strides) {
    this.type = Objects.requireNonNull(type, "type");
    this.sizes = sizes.clone();
    this.strides = strides.clone();
    this.elements = checkSizes(type, sizes, strides);
    this.contiguous = isContiguous(sizes, strides);
    for (int d = 0; d < sizes.length; d++) {
      lk_tensor.sizes(descriptor, d, sizes[d]);
      lk_tensor.strides(descriptor, d, strides[d]);
    }
    lk_tensor.dtype(descriptor, type.code());
    lk_tensor.rank(descriptor, sizes.length);
    describe(NOWHERE);
  }

  static Tensor allocate(Device device, DType type, long... sizes) {
    Tensor tensor = unplaced(type, sizes);
    tensor.memory = device.allocateBlock(tensor.bytes());
    tensor.device = device;
    tensor.owned = true;
    return tensor;
  }

  /**
   * A contiguous tensor without memory yet: enough to ask for workspaces with, and what {@link
   * #place} gives memory to.
   */
  public static Tensor unplaced(DType type, long... sizes) {
    return new Tensor(type, sizes, contiguous(sizes));
  }

  /**
   * A tensor over memory of the caller's, who keeps it allocated: for the CPU device any off-heap
   * segment. Closing its arena makes the tensor unusable.
   *
   * @param strides in elements; 0 repeats (inputs only)
   */
  public static Tensor wrap(
      Device device, MemorySegment memory, DType type, long[] sizes, long[] strides) {
    if (!memory.isNative()) {
      throw new IllegalArgumentException(
          "memory is on the Java heap, expected an off-heap segment");
    }
    checkWritable(memory);
    Tensor tensor = new Tensor(type, sizes, strides);
    tensor.checkRoom(0, memory.byteSize());
    tensor.device = Objects.requireNonNull(device, "device");
    tensor.memory = memory;
    return tensor;
  }

  /**
   * A tensor at an address of the device's memory that the caller keeps allocated; nothing checks
   * that.
   */
  public static Tensor wrap(Device device, long address, DType type, long[] sizes, long[] strides) {
    if (address == 0) {
      throw new IllegalArgumentException("address is 0, expected memory of " + device);
    }
    Tensor tensor = new Tensor(type, sizes, strides);
    tensor.device = Objects.requireNonNull(device, "device");
    tensor.memory = MemorySegment.ofAddress(address);
    return tensor;
  }

  /**
   * Another view of this tensor's memory, of the same dtype. It need not be closed; a view of an
   * unplaced tensor follows where that is placed.
   *
   * @param offset elements from this tensor's first
   * @param strides in elements; 0 repeats (inputs only)
   */
  public Tensor view(long offset, long[] sizes, long[] strides) {
    Tensor view = new Tensor(type, sizes, strides);
    if (offset < 0 || offset >= extent()) {
      throw new IllegalArgumentException(
          "offset " + offset + ", expected 0 to " + (extent() - 1) + " in " + shape());
    }
    view.checkRoom(offset * type.bytes(), extent() * type.bytes());
    view.base = this;
    view.offset = offset * type.bytes();
    return view;
  }

  /** The same contiguous elements under other sizes, such as [b, t, 3 * k] as [b, t, 3, h, d]. */
  public Tensor reshape(long... sizes) {
    Tensor view = view(0, sizes, contiguous(sizes));
    if (!contiguous || view.elements != elements) {
      throw new IllegalArgumentException(
          shape() + " as " + view.shape() + ", expected as many elements, side by side");
    }
    return view;
  }

  /**
   * Gives a tensor made by {@link #unplaced} its memory, or another one: a part of {@code block},
   * whose dtype does not matter.
   *
   * @param byteOffset from the block's first byte, aligned to this tensor's elements
   */
  public void place(Tensor block, long byteOffset) {
    if (memory != null) {
      throw new IllegalStateException(
          shape() + " has memory of its own, expected an unplaced tensor");
    }
    if (byteOffset < 0 || byteOffset % type.bytes() != 0) {
      throw new IllegalArgumentException(
          "byteOffset " + byteOffset + ", expected a multiple of " + type.bytes() + " from 0");
    }
    checkRoom(byteOffset, block.extent() * block.type.bytes());
    base = block;
    offset = byteOffset;
  }

  public DType type() {
    return type;
  }

  public int rank() {
    return sizes.length;
  }

  public long size(int dimension) {
    return sizes[dimension];
  }

  public long[] sizes() {
    return sizes.clone();
  }

  /** In elements. */
  public long[] strides() {
    return strides.clone();
  }

  public long elements() {
    return elements;
  }

  /** Bytes of all elements. */
  public long bytes() {
    return elements * type.bytes();
  }

  /** Whether the elements lie side by side in row-major order. */
  public boolean isContiguous() {
    return contiguous;
  }

  /** Such as {@code f32 [2, 3]}, with the strides where they are not contiguous. */
  public String shape() {
    String text = type + " " + Arrays.toString(sizes);
    return contiguous ? text : text + " strides " + Arrays.toString(strides);
  }

  /** The device whose memory this is; null while unplaced. */
  public Device device() {
    return base == null ? device : base.device();
  }

  /** The address of the first element, in the device's memory. */
  public long address() {
    if (closed) {
      throw new IllegalStateException("tensor " + shape() + " is closed");
    }
    if (base != null) {
      return base.address() + offset;
    }
    if (memory == null) {
      throw new IllegalStateException("tensor " + shape() + " has no memory yet, place it first");
    }
    if (!memory.scope().isAlive()) {
      throw new IllegalStateException("the memory that tensor " + shape() + " wraps is closed");
    }
    return memory.address();
  }

  /** The {@code lk_tensor} that native functions take, naming the memory the tensor has now. */
  public MemorySegment descriptor() {
    long address = address();
    if (address != data.address()) {
      describe(address);
    }
    return descriptor;
  }

  /** The address, without allocating, as {@link #descriptor} found it. */
  MemorySegment data() {
    return data;
  }

  /** The {@code lk_tensor} for functions that look at the shape only. */
  MemorySegment shapeDescriptor() {
    return descriptor;
  }

  private void describe(long address) {
    data = MemorySegment.ofAddress(address);
    lk_tensor.data(descriptor, data);
  }

  /** Copies the whole of a contiguous f32, bf16 or f16 tensor from f32 numbers, rounding them. */
  public void upload(float[] source) {
    checkNumbers("float[]");
    upload(DType.F32, MemorySegment.ofArray(source));
  }

  /** Copies the whole of a contiguous tensor from i32 numbers. */
  public void upload(int[] source) {
    checkType(DType.I32, "int[]");
    upload(MemorySegment.ofArray(source));
  }

  /** Copies the whole of a contiguous f32, bf16 or f16 tensor from numbers of any dtype. */
  public void upload(HostTensor source) {
    checkNumbers(source.toString());
    upload(source.type(), source.data());
  }

  /** Copies the whole of a contiguous tensor from host memory, elements as they stand. */
  public void upload(MemorySegment source) {
    upload(type, source);
  }

  private void upload(DType from, MemorySegment source) {
    checkCopy(source, from);
    long address = address();
    device().upload(source, from, address, type);
  }

  /**
   * Begins what {@link #upload(MemorySegment)} does, in order with the device's kernels.
   *
   * @param source off the Java heap, unchanged and open until {@link Device#awaitUploads} has
   *     returned; a {@link HostBuffer}'s memory is fastest
   */
  public void uploadAsync(MemorySegment source) {
    if (!source.isNative()) {
      throw new IllegalArgumentException("memory is on the Java heap, expected off-heap memory");
    }
    checkCopy(source, type);
    long address = address();
    device().uploadAsync(source, address);
  }

  /** The elements of a contiguous f32, bf16 or f16 tensor. */
  public float[] download() {
    checkNumbers("float[]");
    float[] result = new float[Math.toIntExact(elements)];
    download(MemorySegment.ofArray(result), DType.F32);
    return result;
  }

  /** The elements of a contiguous i32 tensor. */
  public int[] downloadInts() {
    checkType(DType.I32, "int[]");
    int[] result = new int[Math.toIntExact(elements)];
    download(MemorySegment.ofArray(result));
    return result;
  }

  /** Copies the whole of a contiguous tensor to host memory, elements as they stand. */
  public void download(MemorySegment destination) {
    checkWritable(destination);
    download(destination, type);
  }

  private void download(MemorySegment destination, DType to) {
    checkCopy(destination, to);
    long address = address();
    device().download(address, type, destination, to);
  }

  /**
   * Ends the tensor, and frees its memory where that is its own. Views of it are unusable from then
   * on. Closing again does nothing.
   */
  @Override
  public void close() {
    if (owned && !closed) {
      device.freeBlock(memory);
    }
    closed = true;
  }

  @Override
  public String toString() {
    return "tensor " + shape();
  }

  /** Elements from the first to behind the last, gaps included. */
  private long extent() {
    long last = 0;
    for (int d = 0; d < sizes.length; d++) {
      last += (sizes[d] - 1) * strides[d];
    }
    return last + 1;
  }

  private void checkRoom(long byteOffset, long available) {
    long needed = extent() * type.bytes();
    if (byteOffset > available - needed) {
      throw new IllegalArgumentException(
          "%s needs %d bytes from byte %d, of %d there are"
              .formatted(shape(), needed, byteOffset, available));
    }
  }

  private void checkType(DType expected, String host) {
    if (type != expected) {
      throw new IllegalArgumentException(shape() + " as " + host + ", expected " + expected);
    }
  }

  /** Native code would find out by crashing. */
  private static void checkWritable(MemorySegment memory) {
    if (memory.isReadOnly()) {
      throw new IllegalArgumentException("memory is read-only, expected a writable segment");
    }
  }

  private void checkNumbers(String host) {
    if (!type.isFloatingPoint()) {
      throw new IllegalArgumentException(shape() + " as " + host + ", expected f32, bf16 or f16");
    }
  }

  private void checkCopy(MemorySegment host, DType hostType) {
    if (!contiguous) {
      throw new IllegalArgumentException(shape() + ", expected a contiguous tensor to copy");
    }
    if (host.byteSize() != elements * hostType.bytes()) {
      throw new IllegalArgumentException(
          "%s has %d bytes, the host memory %d"
              .formatted(
                  hostType == type ? shape() : shape() + " as " + hostType,
                  elements * hostType.bytes(),
                  host.byteSize()));
    }
  }

  private static long[] contiguous(long[] sizes) {
    long[] strides = new long[sizes.length];
    long stride = 1;
    for (int d = sizes.length - 1; d >= 0; d--) {
      strides[d] = stride;
      stride *= sizes[d];
    }
    return strides;
  }

  private static boolean isContiguous(long[] sizes, long[] strides) {
    long stride = 1;
    for (int d = sizes.length - 1; d >= 0; d--) {
      // The stride of a single element is never walked.
      if (sizes[d] != 1 && strides[d] != stride) {
        return false;
      }
      stride *= sizes[d];
    }
    return true;
  }

  /** Returns the number of elements, of which and of whose extent the bytes fit a long. */
  private static long checkSizes(DType type, long[] sizes, long[] strides) {
    if (sizes.length > Lorikeet.LK_MAX_DIMS() || strides.length != sizes.length) {
      throw new IllegalArgumentException(
          "sizes %s, strides %s: expected a stride for each of at most %d sizes"
              .formatted(Arrays.toString(sizes), Arrays.toString(strides), Lorikeet.LK_MAX_DIMS()));
    }
    try {
      long elements = 1;
      long extent = 1;
      for (int d = 0; d < sizes.length; d++) {
        if (sizes[d] < 1 || strides[d] < 0) {
          throw new IllegalArgumentException(
              "sizes %s, strides %s: expected sizes of 1 or more and no negative stride"
                  .formatted(Arrays.toString(sizes), Arrays.toString(strides)));
        }
        elements = Math.multiplyExact(elements, sizes[d]);
        extent = Math.addExact(extent, Math.multiplyExact(sizes[d] - 1, strides[d]));
      }
      Math.multiplyExact(elements, (long) type.bytes());
      Math.multiplyExact(extent, (long) type.bytes());
      return elements;
    } catch (ArithmeticException e) {
      throw new IllegalArgumentException(
          type + " " + Arrays.toString(sizes) + " is larger than any memory", e);
    }
  }
}
