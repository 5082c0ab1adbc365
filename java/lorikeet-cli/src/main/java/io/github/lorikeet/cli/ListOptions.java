// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import picocli.CommandLine.Option;

/** How images are found, prepared and named. */
final class ListOptions {
  @Option(
      names = "--images",
      paramLabel = "DIR",
      description = "Folder that the lists' paths are relative to; each list's own by default.")
  private Path images;

  @Option(
      names = "--recipe",
      paramLabel = "NAME",
      defaultValue = "mrm",
      description = {
        "How images are prepared: mrm (shorter side = the model's size) or cxr-mae (shorter side"
            + " 8/7 of it, centre crop), each with its mean and deviation. Default:"
            + " ${DEFAULT-VALUE}."
      })
  private String recipe;

  @Option(
      names = "--label-names",
      paramLabel = "NAME",
      split = ",",
      description = "Names of the labels, comma-separated.")
  private List<String> labelNames;

  Path images() {
    return images;
  }

  String recipe() {
    return recipe;
  }

  /** The names given, or label_1 and so on. */
  List<String> names(int labels) {
    if (labelNames == null) {
      return IntStream.rangeClosed(1, labels).mapToObj(i -> "label_" + i).toList();
    }
    if (labelNames.size() != labels) {
      throw new IllegalArgumentException(
          "--label-names: " + labelNames.size() + " names, expected " + labels);
    }
    Set<String> seen = new HashSet<>();
    for (String name : labelNames) {
      if (name.isBlank() || !seen.add(name)) {
        throw new IllegalArgumentException(
            "--label-names: '"
                + name
                + (name.isBlank() ? "' is no name" : "' stands twice")
                + ", expected a name of its own for each label");
      }
    }
    return labelNames;
  }
}
