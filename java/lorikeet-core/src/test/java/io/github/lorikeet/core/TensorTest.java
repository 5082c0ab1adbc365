// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.github.lorikeet.core.ffi.lk_tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TensorTest {
  private final Device device = Device.open("cpu", 1);

  @AfterEach
  void nothingIsLeft() {
    assertThat(device.memory().liveBytes()).isZero();
    device.close();
  }

  @Test
  void hasAShape() {
    Tensor tensor = Tensor.unplaced(DType.BF16, 2, 3, 4);
    assertThat(tensor.type()).isEqualTo(DType.BF16);
    assertThat(tensor.rank()).isEqualTo(3);
    assertThat(tensor.size(1)).isEqualTo(3);
    assertThat(tensor.sizes()).containsExactly(2, 3, 4);
    assertThat(tensor.strides()).containsExactly(12, 4, 1);
    assertThat(tensor.elements()).isEqualTo(24);
    assertThat(tensor.bytes()).isEqualTo(48);
    assertThat(tensor.shape()).isEqualTo("bf16 [2, 3, 4]");
    assertThat(tensor.isContiguous()).isTrue();
    assertThat(tensor.device()).isNull();
    Tensor scalar = Tensor.unplaced(DType.F32);
    assertThat(scalar.elements()).isEqualTo(1);
    assertThat(scalar.shape()).isEqualTo("f32 []");
  }

  @Test
  void refusesShapesThatAreNone() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> device.allocate(DType.F32, 2, 0))
        .withMessage(
            "sizes [2, 0], strides [0, 1]: expected sizes of 1 or more and no negative stride");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.unplaced(DType.F32, 1, 1, 1, 1, 1, 1))
        .withMessageContaining("expected a stride for each of at most 5 sizes");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.unplaced(DType.F32, 1L << 31, 1L << 31))
        .withMessage("f32 [2147483648, 2147483648] is larger than any memory");
  }

  @Test
  void copiesToAndFro() {
    try (Tensor floats = device.allocate(DType.F32, 2, 3);
        Tensor ints = device.allocate(DType.I32, 3);
        Tensor bytes = device.allocate(DType.U8, 2)) {
      float[] numbers = {1, 2.5f, -3, 4, Float.NaN, 6};
      floats.upload(numbers);
      assertThat(floats.download()).containsExactly(numbers);
      ints.upload(new int[] {7, -8, Integer.MAX_VALUE});
      assertThat(ints.downloadInts()).containsExactly(7, -8, Integer.MAX_VALUE);
      bytes.upload(MemorySegment.ofArray(new byte[] {-1, 2}));
      byte[] back = new byte[2];
      bytes.download(MemorySegment.ofArray(back));
      assertThat(back).containsExactly(-1, 2);
      floats.upload(HostTensor.of(new float[] {6, 5, 4, 3, 2, 1}, 2, 3).data());
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment host = arena.allocate(24);
        floats.download(host);
        assertThat(host.toArray(ValueLayout.JAVA_FLOAT)).containsExactly(6, 5, 4, 3, 2, 1);
      }
    }
  }

  @Test
  void copiesFromTheJavaHeapInPieces() {
    float[] numbers = new float[100_003];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = i;
    }
    try (Tensor tensor = device.allocate(DType.F32, numbers.length)) {
      tensor.upload(numbers);
      assertThat(tensor.download()).isEqualTo(numbers);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16", "F16"})
  void numbersAreRoundedToItsType(DType type) {
    float[] numbers = new float[50_001];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = (i - 25_000) * 1.001f;
    }
    try (Tensor tensor = device.allocate(type, numbers.length);
        Tensor exact = device.allocate(DType.F32, numbers.length);
        Tensor converted = device.allocate(type, numbers.length)) {
      exact.upload(numbers);
      device.kernels().convert(exact, converted);
      float[] expected = converted.download();
      tensor.upload(numbers);
      assertThat(tensor.download()).isEqualTo(expected);
      tensor.upload(new float[numbers.length]);
      tensor.upload(HostTensor.of(numbers, numbers.length));
      assertThat(tensor.download()).isEqualTo(expected);
      assertThat(Arrays.equals(expected, numbers)).isEqualTo(type == DType.F32);
      HostTensor half = HostTensor.of(numbers, numbers.length).f16();
      tensor.upload(half);
      exact.upload(half.f32());
      device.kernels().convert(exact, converted);
      assertThat(tensor.download()).isEqualTo(converted.download());
    }
  }

  @Test
  void uploadsFromAHostBuffer() {
    try (Tensor tensor = device.allocate(DType.F32, 3)) {
      HostBuffer buffer = device.allocateHost(12);
      MemorySegment memory = buffer.memory();
      for (int round = 1; round < 10; round++) {
        device.awaitUploads();
        for (int i = 0; i < 3; i++) {
          memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, round * i);
        }
        tensor.uploadAsync(memory);
        device.kernels().add(tensor, tensor, tensor);
        assertThat(tensor.download()).containsExactly(0, 2 * round, 4 * round);
      }
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.uploadAsync(memory.asSlice(4)))
          .withMessage("f32 [3] has 12 bytes, the host memory 8");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.uploadAsync(MemorySegment.ofArray(new float[3])))
          .withMessage("memory is on the Java heap, expected off-heap memory");
      assertThat(device.memory().liveBytes()).isEqualTo(12);
      buffer.close();
      buffer.close();
      assertThatIllegalStateException()
          .isThrownBy(() -> memory.get(ValueLayout.JAVA_FLOAT, 0))
          .withMessage("Already closed");
    }
  }

  @Test
  void refusesCopiesThatDoNotFit() {
    try (Tensor tensor = device.allocate(DType.F32, 2, 3)) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.upload(new float[5]))
          .withMessage("f32 [2, 3] has 24 bytes, the host memory 20");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.download(MemorySegment.ofArray(new float[7])))
          .withMessage("f32 [2, 3] has 24 bytes, the host memory 28");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.upload(new int[6]))
          .withMessage("f32 [2, 3] as int[], expected i32");
      assertThatIllegalArgumentException()
          .isThrownBy(tensor::downloadInts)
          .withMessage("f32 [2, 3] as int[], expected i32");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.upload(HostTensor.of(new float[5], 5).f16()))
          .withMessage("f32 [2, 3] as f16 has 12 bytes, the host memory 10");
      try (Tensor ints = device.allocate(DType.I32, 2)) {
        assertThatIllegalArgumentException()
            .isThrownBy(() -> ints.upload(new float[2]))
            .withMessage("i32 [2] as float[], expected f32, bf16 or f16");
      }
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.download(HostTensor.of(new float[6], 6).data()))
          .withMessage("memory is read-only, expected a writable segment");
      Tensor column = tensor.view(0, new long[] {2}, new long[] {3});
      assertThatIllegalArgumentException()
          .isThrownBy(column::download)
          .withMessage("f32 [2] strides [3], expected a contiguous tensor to copy");
    }
  }

  @Test
  void viewsShareMemory() {
    try (Tensor tensor = device.allocate(DType.F32, 2, 3)) {
      tensor.upload(new float[] {1, 2, 3, 4, 5, 6});
      Tensor row = tensor.view(3, new long[] {1, 3}, new long[] {3, 1});
      Tensor last = row.view(2, new long[] {1}, new long[] {1});
      assertThat(row.download()).containsExactly(4, 5, 6);
      assertThat(last.download()).containsExactly(6);
      assertThat(last.device()).isSameAs(device);
      assertThat(tensor.reshape(3, 2).view(2, new long[] {2}, new long[] {1}).download())
          .containsExactly(3, 4);
      row.close();
      assertThat(tensor.download()).hasSize(6);
    }
  }

  @Test
  void refusesViewsThatReachOut() {
    try (Tensor tensor = device.allocate(DType.F32, 2, 3)) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.view(4, new long[] {3}, new long[] {1}))
          .withMessage("f32 [3] needs 12 bytes from byte 16, of 24 there are");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.view(Long.MAX_VALUE, new long[] {1}, new long[] {1}))
          .withMessageContaining("offset 9223372036854775807");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.view(-1, new long[] {1}, new long[] {1}))
          .withMessage("offset -1, expected 0 to 5 in f32 [2, 3]");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.reshape(4))
          .withMessage("f32 [2, 3] as f32 [4], expected as many elements, side by side");
    }
  }

  @Test
  void placedTensorsFollowTheirBlock() {
    Tensor tensor = Tensor.unplaced(DType.F32, 2, 2);
    Tensor row = tensor.view(2, new long[] {2}, new long[] {1});
    assertThatIllegalStateException()
        .isThrownBy(row::download)
        .withMessage("tensor f32 [2, 2] has no memory yet, place it first");
    try (Tensor block = device.allocate(DType.U8, 128)) {
      tensor.place(block, 64);
      tensor.upload(new float[] {1, 2, 3, 4});
      assertThat(row.download()).containsExactly(3, 4);
      assertThat(tensor.address()).isEqualTo(block.address() + 64);
      assertThat(lk_tensor.data(row.descriptor()).address()).isEqualTo(block.address() + 72);
      tensor.place(block, 0);
      assertThat(lk_tensor.data(row.descriptor()).address()).isEqualTo(block.address() + 8);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.place(block, 116))
          .withMessage("f32 [2, 2] needs 16 bytes from byte 116, of 128 there are");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> tensor.place(block, 2))
          .withMessage("byteOffset 2, expected a multiple of 4 from 0");
      assertThatIllegalStateException().isThrownBy(() -> block.place(block, 0));
    }
    assertThatIllegalStateException()
        .isThrownBy(row::descriptor)
        .withMessage("tensor u8 [128] is closed");
  }

  @Test
  void wrapsMemoryOfTheCallers() {
    Tensor kept;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2, 3, 4);
      kept = Tensor.wrap(device, memory, DType.F32, new long[] {2, 2}, new long[] {2, 1});
      assertThat(kept.download()).containsExactly(1, 2, 3, 4);
      Tensor same =
          Tensor.wrap(device, memory.address() + 4, DType.F32, new long[] {2}, new long[] {1});
      assertThat(same.download()).containsExactly(2, 3);
      assertThatIllegalArgumentException()
          .isThrownBy(
              () -> Tensor.wrap(device, memory, DType.F32, new long[] {2, 2}, new long[] {3, 1}))
          .withMessage("f32 [2, 2] strides [3, 1] needs 20 bytes from byte 0, of 16 there are");
    }
    assertThatIllegalStateException()
        .isThrownBy(kept::download)
        .withMessage("the memory that tensor f32 [2, 2] wraps is closed");
    long[] one = {1};
    MemorySegment readOnly = HostTensor.of(new float[1], 1).data();
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.wrap(device, readOnly, DType.F32, one, one))
        .withMessage("memory is read-only, expected a writable segment");
    assertThatIllegalArgumentException()
        .isThrownBy(
            () -> Tensor.wrap(device, MemorySegment.ofArray(new float[1]), DType.F32, one, one))
        .withMessage("memory is on the Java heap, expected an off-heap segment");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.wrap(device, 0, DType.F32, one, one))
        .withMessage("address is 0, expected memory of device cpu");
  }

  @Test
  void refusesUseOnceClosed() {
    Tensor tensor = device.allocate(DType.F32, 2);
    Tensor view = tensor.view(0, new long[] {1}, new long[] {1});
    tensor.close();
    tensor.close();
    String message = "tensor f32 [2] is closed";
    assertThatIllegalStateException().isThrownBy(tensor::descriptor).withMessage(message);
    assertThatIllegalStateException().isThrownBy(tensor::download).withMessage(message);
    assertThatIllegalStateException()
        .isThrownBy(() -> tensor.upload(new float[2]))
        .withMessage(message);
    assertThatIllegalStateException().isThrownBy(view::download).withMessage(message);
    assertThatIllegalStateException()
        .isThrownBy(() -> device.kernels().geluForward(view, view))
        .withMessage(message);
  }

  @Test
  void refusesMemoryOfAnotherDevice() {
    try (Device other = Device.open("cpu", 1);
        Tensor tensor = other.allocate(DType.F32, 2)) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> device.kernels().geluForward(tensor, tensor))
          .withMessage("tensor f32 [2] is memory of another device cpu, expected this one's");
    }
  }
}
