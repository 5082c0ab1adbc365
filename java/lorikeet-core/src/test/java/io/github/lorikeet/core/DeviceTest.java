// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class DeviceTest {
  @Test
  void describesItself() {
    try (Device device = Device.open("cpu", 2)) {
      DeviceInfo info = device.info();
      assertThat(info.name()).isEqualTo(device.name()).isEqualTo("cpu");
      assertThat(info.processor()).isNotBlank();
      assertThat(info.supported()).contains("generic", info.isa());
      assertThat(info.threads()).isEqualTo(2);
      assertThat(info.dtypes()).contains(DType.F32).doesNotContain(DType.F16);
      assertThat(info.totalMemory()).isGreaterThan(1L << 20);
      assertThat(device.kernels().version()).matches("\\d+\\.\\d+\\.\\d+");
    }
    try (Device device = Device.open("cpu", 0)) {
      assertThat(device.info().threads()).isEqualTo(Runtime.getRuntime().availableProcessors());
    }
  }

  @Test
  void refusesWhatItCannotOpen() {
    assertThatExceptionOfType(LorikeetException.class)
        .isThrownBy(() -> Device.open("abacus", 1))
        .withMessage("device_open: name: no device \"abacus\", expected cpu or cuda:N")
        .matches(e -> e.status() == Status.UNSUPPORTED);
    assertThatExceptionOfType(LorikeetException.class)
        .isThrownBy(() -> Device.open("cpu", -1))
        .withMessage("device_open: threads: -1, expected 0 (one a processor) to 1024")
        .matches(e -> e.status() == Status.BAD_ARGUMENT);
  }

  @Test
  void countsMemory() {
    try (Device device = Device.open("cpu", 1)) {
      assertThat(device.memory()).isEqualTo(new MemoryInfo(0, 0, 0, 0));
      try (Tensor a = device.allocate(DType.F32, 2, 3)) {
        device.allocate(DType.U8, 100).close();
        assertThat(device.memory()).isEqualTo(new MemoryInfo(24, 124, 1, 2));
        device.resetPeak();
        assertThat(device.memory()).isEqualTo(new MemoryInfo(24, 24, 1, 2));
        assertThat(a.device()).isSameAs(device);
      }
      assertThat(device.memory().liveBytes()).isZero();
      assertThat(device.memory().liveBlocks()).isZero();
      device.synchronize();
    }
  }

  @Test
  void aFailedAllocationLeavesNothingBehind() {
    try (Device device = Device.open("cpu", 1)) {
      device.failAllocation(2);
      try (Tensor first = device.allocate(DType.F32, 4)) {
        assertThatExceptionOfType(LorikeetException.class)
            .isThrownBy(() -> device.allocate(DType.F32, 1000))
            .withMessageContaining("allocate: cpu: no block of 4000 bytes left (16 bytes in use)")
            .matches(e -> e.status() == Status.OUT_OF_MEMORY);
        assertThat(device.memory()).isEqualTo(new MemoryInfo(first.bytes(), 16, 1, 1));
        device.allocate(DType.F32, 1000).close();
      }
      assertThat(device.memory().liveBytes()).isZero();
      device.failAllocation(1);
      device.failAllocation(0);
      device.allocate(DType.F32, 1).close();
    }
  }

  @Test
  void staysOpenWhileTensorsAre() {
    Device device = Device.open("cpu", 1);
    Tensor tensor = device.allocate(DType.F32, 3);
    assertThatExceptionOfType(LorikeetException.class)
        .isThrownBy(device::close)
        .withMessage("device_close: device: 1 blocks (12 bytes) still allocated, free them first");
    tensor.upload(new float[] {1, 2, 3});
    tensor.close();
    device.close();
    device.close();
  }

  @Test
  void refusesUseOnceClosed() {
    Device device = Device.open("cpu", 1);
    device.close();
    String message = "device cpu is closed";
    assertThatIllegalStateException().isThrownBy(device::info).withMessage(message);
    assertThatIllegalStateException().isThrownBy(device::memory).withMessage(message);
    assertThatIllegalStateException().isThrownBy(device::resetPeak).withMessage(message);
    assertThatIllegalStateException().isThrownBy(device::synchronize).withMessage(message);
    assertThatIllegalStateException()
        .isThrownBy(() -> device.setPrecision(Precision.EXACT))
        .withMessage(message);
    assertThatIllegalStateException()
        .isThrownBy(() -> device.setStream(MemorySegment.NULL))
        .withMessage(message);
    assertThatIllegalStateException()
        .isThrownBy(() -> device.failAllocation(1))
        .withMessage(message);
    assertThatIllegalStateException()
        .isThrownBy(() -> device.allocate(DType.F32, 1))
        .withMessage(message);
    assertThatIllegalStateException()
        .isThrownBy(() -> device.kernels().geluForward(null, null))
        .withMessage(message);
  }

  @Test
  void hasNoStreams() {
    try (Device device = Device.open("cpu", 1)) {
      device.setStream(MemorySegment.NULL);
      assertThatExceptionOfType(LorikeetException.class)
          .isThrownBy(() -> device.setStream(MemorySegment.ofAddress(0x10)))
          .withMessage("set_stream: stream: 0x10, but device cpu has no streams, expected NULL")
          .matches(e -> e.status() == Status.UNSUPPORTED);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> device.setStream(MemorySegment.ofArray(new byte[8])))
          .withMessage("stream: on the Java heap, expected a cudaStream_t");
    }
  }

  @Test
  void multipliesExactlyOnTheProcessor() {
    try (Device device = Device.open("cpu", 1)) {
      device.setPrecision(Precision.EXACT);
      assertThatExceptionOfType(LorikeetException.class)
          .isThrownBy(() -> device.setPrecision(Precision.TF32))
          .withMessage("set_precision: precision: tf32, but device cpu multiplies f32 exactly only")
          .matches(e -> e.status() == Status.UNSUPPORTED);
      assertThat(device.precision()).isEqualTo(Precision.EXACT);
    }
  }

  /** Opens a device and prints what it is, or why not. */
  static final class Open {
    private Open() {}

    public static void main(String[] arguments) {
      for (int attempt = 0; attempt < 2; attempt++) {
        try (Device device = Device.open("cpu", 1)) {
          System.out.println(device.info().name());
        } catch (LorikeetException e) {
          System.out.println(e.status() + " " + e.getMessage());
        }
      }
    }
  }

  private static String openInAnotherProcess(String variable) throws Exception {
    List<String> command =
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            locationOf(Device.class)
                + System.getProperty("path.separator")
                + locationOf(Open.class),
            Open.class.getName());
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().remove("LORIKEET_LIBRARY");
    if (variable != null) {
      builder.environment().put("LORIKEET_LIBRARY", variable);
    }
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes());
    assertThat(process.waitFor()).as(output).isZero();
    return output;
  }

  private static Path locationOf(Class<?> type) throws Exception {
    String name = type.getName().replace('.', '/') + ".class";
    Path file = Path.of(type.getClassLoader().getResource(name).toURI());
    return Path.of(file.toString().substring(0, file.toString().length() - name.length()));
  }

  @Test
  void opensOnTheClassPathToo() throws Exception {
    assertThat(openInAnotherProcess(null)).isEqualTo("cpu\ncpu\n");
  }

  @Test
  void saysEveryTimeWhyTheLibraryDidNotLoad() throws Exception {
    String reason =
        """
        UNSUPPORTED Lorikeet's native library could not be loaded. Tried:
          environment variable LORIKEET_LIBRARY: /no/such/file: no such file
        """;
    assertThat(openInAnotherProcess("/no/such/file")).isEqualTo(reason + reason);
  }
}
