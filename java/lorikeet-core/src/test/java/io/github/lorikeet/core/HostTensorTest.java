// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostTensorTest {
  private static MemorySegment bytes(int... values) {
    MemorySegment segment = Arena.ofAuto().allocate(values.length + 1L);
    for (int i = 0; i < values.length; i++) {
      segment.set(ValueLayout.JAVA_BYTE, i + 1L, (byte) values[i]);
    }
    return segment.asSlice(1); // unaligned, as tensors of a mapped file may be
  }

  @Test
  void floatsComeBack() {
    HostTensor tensor = HostTensor.of(new float[] {1, -2, 3.5f, 0, Float.MIN_VALUE, -0f}, 2, 3);
    assertThat(tensor.shape()).isEqualTo("f32 [2, 3]");
    assertThat(tensor.elements()).isEqualTo(6);
    assertThat(tensor.bytes()).isEqualTo(24);
    assertThat(tensor.toFloats()).containsExactly(1, -2, 3.5f, 0, Float.MIN_VALUE, -0f);
    assertThat(tensor.f32()).isSameAs(tensor);
  }

  @Test
  void everyTypeBecomesFloat() {
    // 1.5 and -2 in f16 (5 exponent bits) and bf16 (the upper half of an f32).
    HostTensor f16 = new HostTensor(DType.F16, new long[] {3}, bytes(0, 0x3e, 0, 0xc0, 1, 0));
    HostTensor bf16 = new HostTensor(DType.BF16, new long[] {2}, bytes(0xc0, 0x3f, 0, 0xc0));
    HostTensor i32 = new HostTensor(DType.I32, new long[] {1}, bytes(0xfe, 0xff, 0xff, 0xff));
    HostTensor u8 = new HostTensor(DType.U8, new long[] {2}, bytes(7, 255));
    HostTensor f32 = new HostTensor(DType.F32, new long[0], bytes(0, 0, 0xc0, 0x3f));
    assertThat(f16.toFloats()).containsExactly(1.5f, -2f, 0x1p-24f);
    assertThat(bf16.toFloats()).containsExactly(1.5f, -2f);
    assertThat(i32.toFloats()).containsExactly(-2f);
    assertThat(u8.toFloats()).containsExactly(7f, 255f);
    assertThat(f32.toFloats()).containsExactly(1.5f);
    assertThat(f16.f32().type()).isEqualTo(DType.F32);
    assertThat(f16.f32().toFloats()).containsExactly(f16.toFloats());
  }

  @Test
  void roundsToHalfToNearestEven() {
    float[] exact = {1, 0x1.002p0f, 0x1.006p0f, 65519, 65520, 0x1p-25f, 0x1.8p-25f, -1e-9f};
    HostTensor half = HostTensor.of(exact, exact.length).f16();
    assertThat(half.shape()).isEqualTo("f16 [8]");
    assertThat(half.toFloats())
        .containsExactly(1, 1, 0x1.008p0f, 65504, Float.POSITIVE_INFINITY, 0, 0x1p-24f, -0f);
  }

  @Test
  void roundsToBf16ToNearestEven() {
    float[] exact = {1, 0x1.01p0f, 0x1.03p0f, Float.MAX_VALUE, Float.NaN, -0x1.010002p0f};
    MemorySegment half = Arena.ofAuto().allocate(12);
    HostNumbers.convert(DType.F32, HostTensor.of(exact, 6).data(), DType.BF16, half);
    assertThat(new HostTensor(DType.BF16, new long[] {6}, half).toFloats())
        .containsExactly(1, 1, 0x1.04p0f, Float.POSITIVE_INFINITY, Float.NaN, -0x1.02p0f);
  }

  @Test
  void emptyTensorsAreTensors() {
    assertThat(HostTensor.of(new float[0], 3, 0).toFloats()).isEmpty();
    assertThat(HostTensor.of(new float[0], Long.MAX_VALUE, Long.MAX_VALUE, 0).bytes()).isZero();
  }

  @Test
  void sizesAndMemoryMustAgree() {
    assertThatThrownBy(() -> HostTensor.of(new float[5], 2, 3))
        .hasMessageContaining("f32 [2, 3]")
        .hasMessageContaining("5");
    assertThatThrownBy(() -> new HostTensor(DType.U8, new long[] {3}, bytes(1, 2)))
        .hasMessageContaining("u8 [3] needs 3 bytes, was given 2");
    assertThatThrownBy(() -> HostTensor.of(new float[1], -1, -1)).hasMessageContaining("negative");
    assertThatThrownBy(() -> HostTensor.of(new float[0], 1L << 33, 1L << 33))
        .hasMessageContaining("too many elements");
    assertThatThrownBy(
            () ->
                new HostTensor(DType.U8, new long[] {2}, MemorySegment.ofArray(new byte[] {1, 2})))
        .hasMessageContaining("Java array");
  }

  @Test
  void itsMemoryCannotBeChangedThroughIt() {
    HostTensor tensor = HostTensor.of(new float[] {1, 2}, 2);
    assertThat(tensor.data().isReadOnly()).isTrue();
    tensor.sizes()[0] = 7;
    assertThat(tensor.size(0)).isEqualTo(2);
  }

  /** Giving back the pages of a private mapping would undo what was written there. */
  @Test
  void whatWasWrittenIntoAPrivateMappingStays(@TempDir Path folder) throws IOException {
    Path file = Files.write(folder.resolve("f"), new byte[4]);
    try (FileChannel channel = FileChannel.open(file, READ, WRITE);
        Arena arena = Arena.ofConfined()) {
      MemorySegment mapped = channel.map(FileChannel.MapMode.PRIVATE, 0, 4, arena);
      mapped.set(ValueLayout.JAVA_FLOAT, 0, 7);
      HostTensor tensor = new HostTensor(DType.F32, new long[] {1}, mapped);
      tensor.unload();
      assertThat(tensor.toFloats()).containsExactly(7);
    }
  }
}
