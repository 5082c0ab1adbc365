// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.vision.data.ImageList;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ListNotesTest {
  private static final List<String> LABELS = List.of("Edema", "Hernia");

  @TempDir Path folder;

  @BeforeEach
  void makeImages() throws IOException {
    TestFiles.writeNoise(folder, 6, 8);
  }

  private ImageList list(String text) throws IOException {
    return ImageList.read(Files.writeString(folder.resolve("lines.txt"), text));
  }

  @Test
  void listsApartAreNotNoted() throws IOException {
    ImageList training = list("0.png 0 1\n1.png 1 0\n1.png 1 0\n");
    assertThat(ListNotes.of(List.of(training, list("2.png 0 0\n"), list("3.png 0 0\n")), LABELS))
        .isEmpty();
  }

  @Test
  void eachPairOfListsThatSharesImagesIsNoted() throws IOException {
    ImageList training = list("0.png 0 1\n1.png 1 0\n2.png 0 0\n");
    ImageList validation = list("3.png 0 0\n./1.png 1 0\n2.png 0 0\n4.png 0 0\n");
    ImageList test = list("5.png 1 1\n4.png 0 0\n" + folder.resolve("0.png") + " 0 1\n");
    String tooGood = ": its figures come out too good";
    assertThat(ListNotes.of(List.of(training, validation, test), LABELS))
        .containsExactly(
            "of the validation list's images, 2 are in the training list too, first ./1.png"
                + tooGood,
            "of the test list's images, 1 are in the training list too, first "
                + folder.resolve("0.png")
                + tooGood,
            "of the test list's images, 1 are in the validation list too, first 4.png" + tooGood);
  }

  @Test
  void labelsThatContradictEachOtherAreNoted() throws IOException {
    ImageList training = list("0.png 0 1\n1.png 1 0\n1.png 1 1\n0.png 1 1\n");
    assertThat(ListNotes.of(List.of(training, list("2.png 0 0\n")), LABELS))
        .containsExactly("images listed again with other labels: 2, first 1.png");
  }

  @Test
  void aLabelThatTheTrainingListShowsOneKindOfIsNoted() throws IOException {
    ImageList training = list("0.png 1 0\n1.png 1 0\n");
    assertThat(ListNotes.of(List.of(training, list("2.png 0 1\n")), LABELS))
        .containsExactly(
            "the training list has no image without Edema: nothing to learn to tell apart",
            "the training list has no image with Hernia: nothing to learn to tell apart");
  }
}
