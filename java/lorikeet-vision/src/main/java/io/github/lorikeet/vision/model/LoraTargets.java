// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.model;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Which linear layers of every block get a low-rank adapter, and which parts of the merged qkv.
 *
 * @param parts of the merged qkv, ascending: 0 query, 1 key, 2 value; empty for none
 * @param modules names inside a block, such as {@code mlp.fc1}
 */
public record LoraTargets(List<Integer> parts, List<String> modules) {
  private static final List<String> PARTS = List.of("q", "k", "v");
  private static final Map<String, String> MODULES = new LinkedHashMap<>();

  static {
    MODULES.put("proj", "attn.proj");
    MODULES.put("fc1", "mlp.fc1");
    MODULES.put("fc2", "mlp.fc2");
  }

  /** The study's choice: query and value. */
  public static final LoraTargets QUERY_VALUE = new LoraTargets(List.of(0, 2), List.of());

  /**
   * Reads names such as {@code q,v} or {@code q,k,v,proj,fc1,fc2}.
   *
   * @throws IllegalArgumentException naming what is not a target
   */
  public static LoraTargets parse(List<String> names) {
    Set<Integer> parts = new TreeSet<>();
    Set<String> modules = new LinkedHashSet<>();
    for (String name : names) {
      String plain = name.strip();
      if (plain.equals("qkv")) {
        parts.addAll(List.of(0, 1, 2));
      } else if (PARTS.contains(plain)) {
        parts.add(PARTS.indexOf(plain));
      } else if (MODULES.containsKey(plain)) {
        modules.add(MODULES.get(plain));
      } else {
        throw new IllegalArgumentException(
            "targets: \""
                + plain
                + "\", expected some of q, k, v, qkv, proj, fc1, fc2, comma-separated");
      }
    }
    if (parts.isEmpty() && modules.isEmpty()) {
      throw new IllegalArgumentException(
          "targets: none given, expected some of q, k, v, qkv, proj, fc1, fc2");
    }
    return new LoraTargets(new ArrayList<>(parts), new ArrayList<>(modules));
  }
}
