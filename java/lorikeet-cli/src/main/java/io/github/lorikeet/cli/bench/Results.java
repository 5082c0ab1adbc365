// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.DeviceInfo;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;

/** Everything a run measured, on one device. */
public record Results(DeviceInfo device, String version, Instant when, List<Measurement> all) {
  public Results {
    all = List.copyOf(all);
  }

  /** For a JSON file that {@link Comparison} can read. */
  public Map<String, Object> asMap() {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("version", version);
    map.put("time", when.toString());
    map.putAll(machine(device));
    List<Object> rows = new ArrayList<>();
    all.forEach(m -> rows.add(asMap(m)));
    map.put("measurements", rows);
    return map;
  }

  /** What all of a run's figures depend on. */
  static Map<String, Object> machine(DeviceInfo device) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("device", device.name());
    map.put("processor", device.processor());
    map.put("isa", device.isa());
    map.put("threads", device.threads());
    return map;
  }

  private static Map<String, Object> asMap(Measurement m) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("case", m.subject().name());
    map.put("shape", m.subject().shape());
    map.put("dtype", m.subject().dtype());
    map.put("peer", m.peer());
    map.put("operations", m.subject().work().operations());
    map.put("bytes", m.subject().work().bytes());
    map.put("seconds_min", m.seconds().min());
    map.put("seconds_median", m.seconds().median());
    map.put("seconds_spread", m.seconds().spread());
    map.put("seconds", list(m.seconds()));
    map.put("cost", list(m.cost()));
    map.put("peak_operations_per_second", m.arithmetic().median());
    map.put("peak_bytes_per_second", m.memory().median());
    map.put("loop_bytes_per_second", m.pass().median());
    map.put("share_of_operations", m.ofArithmetic());
    map.put("share_of_bandwidth", m.ofMemory());
    map.put("share_of_loop", m.ofPass());
    map.put("heap_bytes_per_run", m.heapBytes());
    map.put("device_allocations", m.nativeAllocations());
    map.put("peak_device_bytes", m.peakBytes());
    return map;
  }

  private static List<Double> list(Samples samples) {
    return Collections.unmodifiableList(DoubleStream.of(samples.values()).boxed().toList());
  }
}
