// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.cli.report.Report;
import io.github.lorikeet.vision.data.ImageList;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExamplesTest {
  @TempDir Path folder;

  private List<String> truths(Path list, String... names) {
    return Examples.of(ImageList.read(list), List.of(names), image -> List.of(), image -> List.of())
        .stream()
        .map(Report.Example::truth)
        .toList();
  }

  /** What the list does not name may well be there: "no finding" would be a claim. */
  @Test
  void imagesWithoutTheLabelsAreOnlySaidToHaveNoneOfThem() throws IOException {
    Path one = TestFiles.writeNoise(folder, 2, 4);
    assertThat(truths(one, "mass")).containsExactly("not mass", "mass");
    Path two = Files.writeString(folder.resolve("two.txt"), "0.png 0 0\n1.png 1 1\n");
    assertThat(truths(two, "mass", "edema")).containsExactly("none of these labels", "mass, edema");
  }
}
