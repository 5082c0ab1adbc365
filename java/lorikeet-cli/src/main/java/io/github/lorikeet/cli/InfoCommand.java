// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Format;
import io.github.lorikeet.cli.output.Json;
import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.DeviceInfo;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code lorikeet info}. */
@Command(
    name = "info",
    description = "Show what this machine offers: devices, instruction sets, memory, versions.",
    footer = {
      "",
      "LORIKEET_ISA=generic or avx2 in the environment asks for a lower instruction set.",
      "",
      "Examples:",
      "  lorikeet info",
      "  lorikeet info --json"
    })
final class InfoCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  @Option(
      names = "--threads",
      paramLabel = "N",
      defaultValue = "0",
      description = "Worker threads; 0: one a processor (default).")
  private int threads;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    Devices devices = Devices.find(DeviceOptions.checkThreads(threads));
    if (json) {
      out.print(Json.pretty(asMap(devices)));
    } else {
      print(out, devices);
    }
    out.flush();
    return 0;
  }

  private static String java() {
    return Runtime.version() + " (" + System.getProperty("java.vendor") + ")";
  }

  private static String system() {
    return "%s %s, %s"
        .formatted(
            System.getProperty("os.name"),
            System.getProperty("os.version"),
            System.getProperty("os.arch"));
  }

  private static void print(PrintWriter out, Devices devices) {
    out.println("lorikeet   " + Version.number());
    out.println("library    " + devices.libraryVersion());
    out.println("java       " + java() + ", heap up to " + Format.bytes(heap()));
    out.println("system     " + system());
    for (DeviceInfo info : devices.found()) {
      out.println("device     " + info.name() + ": " + info.processor());
      out.println("  kernels  " + info.isa() + " (this processor has: " + sets(info) + ")");
      out.println("  dtypes   " + DeviceOptions.names(info));
      out.println("  threads  " + info.threads());
      out.println("  memory   " + Format.bytes(info.totalMemory()));
    }
    devices.missing().forEach((name, why) -> out.println("no device  " + name + ": " + why));
  }

  private static String sets(DeviceInfo info) {
    return String.join(", ", info.supported());
  }

  private static long heap() {
    return Runtime.getRuntime().maxMemory();
  }

  private static Map<String, Object> asMap(Devices devices) {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("version", Version.number());
    all.put("library_version", devices.libraryVersion());
    all.put("java", java());
    all.put("heap_bytes", heap());
    all.put("system", system());
    all.put("devices", devices.found().stream().map(InfoCommand::asMap).toList());
    all.put("missing_devices", devices.missing());
    return all;
  }

  private static Map<String, Object> asMap(DeviceInfo info) {
    Map<String, Object> device = new LinkedHashMap<>();
    device.put("name", info.name());
    device.put("processor", info.processor());
    device.put("isa", info.isa());
    device.put("supported", info.supported());
    device.put("dtypes", info.dtypes().stream().map(DType::toString).toList());
    device.put("threads", info.threads());
    device.put("memory_bytes", info.totalMemory());
    return device;
  }
}
