// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import io.github.lorikeet.core.HostTensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What a reader found in a file, gathered in the file's order. */
final class Contents {
  private static final int NAMES_IN_A_NOTE = 4;

  final Map<String, HostTensor> tensors = new LinkedHashMap<>();
  final Map<String, String> metadata = new LinkedHashMap<>();
  final List<String> notes = new ArrayList<>();
  private final Map<String, List<String>> leftOut = new LinkedHashMap<>();

  /** Adds a tensor, or leaves it out with a note if its type is not one that weights come in. */
  void add(MappedFile file, String name, StoredTensor stored) {
    // Patterns are compared with whole names, and messages may hold them.
    if (name.length() > Json.MAX_NAME_LENGTH) {
      throw file.error(
          "%s is a name of %d characters, more than %d"
              .formatted(WeightsException.quote(name), name.length(), Json.MAX_NAME_LENGTH));
    }
    if (tensors.containsKey(name)) {
      throw file.error(WeightsException.quote(name) + " comes twice; the file is damaged");
    }
    if (stored.type().readAs() == null) {
      leaveOut(name, "of type " + stored.type());
      return;
    }
    HostTensor tensor = stored.read(file, name);
    if (tensor == null) {
      leaveOut(name, "of integers that do not fit 32 bits");
    } else {
      tensors.put(name, tensor);
    }
  }

  /** Notes that something is ignored; one note will serve all that share a reason. */
  void leaveOut(String name, String reason) {
    leftOut.computeIfAbsent(reason, r -> new ArrayList<>()).add(name);
  }

  /** All notes, the ignored entries at the end. */
  List<String> notes() {
    List<String> all = new ArrayList<>(notes);
    leftOut.forEach((reason, names) -> all.add("left out, " + reason + ": " + some(names)));
    return all;
  }

  /** What is ignored, by name, and why. */
  Map<String, String> leftOut() {
    Map<String, String> reasons = new LinkedHashMap<>();
    leftOut.forEach((reason, names) -> names.forEach(name -> reasons.put(name, reason)));
    return reasons;
  }

  /** The first few of many names, quoted. */
  static String some(List<String> names) {
    List<String> first =
        names.stream().limit(NAMES_IN_A_NOTE).map(WeightsException::quote).toList();
    int more = names.size() - first.size();
    return String.join(", ", first) + (more > 0 ? " and %d more".formatted(more) : "");
  }
}
