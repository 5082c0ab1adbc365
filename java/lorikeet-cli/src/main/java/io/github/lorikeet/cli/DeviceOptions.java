// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.DeviceInfo;
import io.github.lorikeet.core.LorikeetException;
import io.github.lorikeet.core.Precision;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.Option;

/** Where to compute, and in what. */
final class DeviceOptions {
  private static final String TF32 = "tf32";

  @Option(
      names = "--device",
      paramLabel = "NAME",
      defaultValue = "cpu",
      description = "Where to compute: cpu (default), or cuda:N for CUDA device N.")
  private String device;

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      defaultValue = "f32",
      description =
          "Numbers that layers work on: f32 (default), bf16 or f16; what is trained stays f32."
              + " tf32: f32 whose matrix products tensor cores may round to tf32 (CUDA).")
  private String dtype;

  @Option(
      names = "--threads",
      paramLabel = "N",
      defaultValue = "0",
      description =
          "Worker threads; 0: one a processor (default). Results are the same for any number.")
  private int threads;

  Device open() {
    DType type = dtype();
    Device opened = open(device, checkThreads(threads));
    try {
      opened.setPrecision(precision());
    } catch (LorikeetException e) {
      opened.close();
      throw new IllegalArgumentException(
          "--dtype tf32: tf32 is a precision of CUDA devices; device %s multiplies f32 exactly"
              .formatted(device),
          e);
    }
    DeviceInfo info = opened.info();
    if (!info.dtypes().contains(type)) {
      opened.close();
      throw new IllegalArgumentException(
          "--dtype "
              + dtype
              + ": device "
              + device
              + " computes "
              + names(info)
              + ", CUDA devices f32, bf16 and f16");
    }
    return opened;
  }

  private static Device open(String device, int threads) {
    try {
      return Device.open(device, threads);
    } catch (LorikeetException e) {
      String why = e.getMessage().replaceFirst("^device_open: (name: )?", "");
      throw new LorikeetException(e.status(), "--device " + device + ": " + why, e);
    }
  }

  static int checkThreads(int threads) {
    if (threads < 0 || threads > Device.MAX_THREADS) {
      throw new IllegalArgumentException(
          "--threads " + threads + ": expected 0 to " + Device.MAX_THREADS);
    }
    return threads;
  }

  /** The options that another process opens the same device by. */
  List<String> arguments() {
    return List.of("--device", device, "--dtype", dtype, "--threads", String.valueOf(threads));
  }

  /** Its name. */
  String device() {
    return device;
  }

  /** Of the activations. */
  DType dtype() {
    if (precision() == Precision.TF32) {
      return DType.F32;
    }
    return Stream.of(DType.F32, DType.BF16, DType.F16)
        .filter(known -> known.toString().equals(dtype))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "--dtype " + dtype + ": expected f32, tf32, bf16 or f16"));
  }

  /** Of f32 products. */
  Precision precision() {
    return dtype.equals(TF32) ? Precision.TF32 : Precision.EXACT;
  }

  /** What a device computes, such as "f32, bf16". */
  static String names(DeviceInfo info) {
    return info.dtypes().stream().map(DType::toString).collect(Collectors.joining(", "));
  }

  /** Threads that decode images beside the device's. */
  int loaderThreads() {
    return threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
  }

  /** Adds what a result depends on to a run's configuration. */
  void describe(Map<String, Object> config) {
    config.put("device", device);
    config.put("dtype", dtype);
  }
}
