// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ImageListTest {
  @TempDir Path folder;

  private Path list(String text) throws IOException {
    return Files.writeString(folder.resolve("list.txt"), text);
  }

  private void images(String... names) throws IOException {
    for (String name : names) {
      Path file = folder.resolve(name);
      Files.createDirectories(file.getParent());
      Files.createFile(file);
    }
  }

  @Test
  void readsPathsAndLabels() throws IOException {
    images("a.png", "sub/b.png");
    ImageList list = ImageList.read(list("a.png 0 1\nsub/b.png 1 1\n"));
    assertThat(list.size()).isEqualTo(2);
    assertThat(list.labels()).isEqualTo(2);
    assertThat(list.name(1)).isEqualTo("sub/b.png");
    assertThat(list.path(1)).isEqualTo(folder.resolve("sub/b.png").toAbsolutePath());
    assertThat(list.labelValues()).containsExactly(0, 1, 1, 1);
    assertThat(list.label(0, 1)).isEqualTo(1);
    assertThat(list.label(0, 0)).isZero();
  }

  @Test
  void takesOtherLineEndsBlankLinesAndSpaces() throws IOException {
    images("chest 1 of 2.png", "b.png");
    ImageList list = ImageList.read(list("\uFEFFchest 1 of 2.png\t0  1 \r\n\r\n  \r\nb.png 1 0"));
    assertThat(list.size()).isEqualTo(2);
    assertThat(list.name(0)).isEqualTo("chest 1 of 2.png");
    assertThat(list.labelValues()).containsExactly(0, 1, 1, 0);
  }

  @Test
  void imagesMayLieElsewhereOrHaveNoLabels() throws IOException {
    images("all/a.png", "all/b.png");
    ImageList list =
        ImageList.read(
            list("a.png\n" + folder.resolve("all/b.png").toAbsolutePath() + "\n"),
            folder.resolve("all"),
            -1);
    assertThat(list.labels()).isZero();
    assertThat(list.path(0)).isEqualTo(folder.resolve("all/a.png"));
    assertThat(list.path(1)).isEqualTo(folder.resolve("all/b.png").toAbsolutePath());
  }

  @ParameterizedTest
  @CsvSource({
    "'a.png 0 1\n\nb.png 1\n', 3, 'expected a path and 2 labels, found 1 labels'",
    "'a.png 0 1\nb.png 1 0 1\n', 2, 'expected a path and 2 labels, found 3 labels'",
    "'a.png 0 1\nb.png\n', 2, 'expected a path and 2 labels, found 0 labels'",
    "'a.png 0 1\n0 1\n', 2, 'expected a path and 2 labels, found 1 labels'",
    "'a.png 0 1\nb.png -1 0\n', 2, 'label ''-1'': expected 0 or 1'",
    "'a.png 0 1\nb.png 1.0 0\n', 2, 'label ''1.0'': expected 0 or 1'",
    "'a.png 0 2\n', 1, 'label ''2'': expected 0 or 1'",
  })
  void wrongLinesAreNamed(String text, int line, String message) throws IOException {
    images("a.png", "b.png");
    Path list = list(text);
    assertThatThrownBy(() -> ImageList.read(list))
        .isInstanceOf(ImageListException.class)
        .hasMessageStartingWith(list + ":" + line + ": ")
        .hasMessageContaining(message);
  }

  @Test
  void impossiblePathsAreNamed() throws IOException {
    images("a.png");
    Path list = list("a.png 0 1\nb\0.png 0 1\n");
    assertThatThrownBy(() -> ImageList.read(list))
        .isInstanceOf(ImageListException.class)
        .hasMessageStartingWith(list + ":2: ")
        .hasMessageContaining("cannot be a path");
  }

  @Test
  void listsOfOtherLabelsAreJoinedWithoutThem() throws IOException {
    images("a.png", "b.png", "c.png");
    Path two = Files.writeString(folder.resolve("two.txt"), "a.png 0 1\nb.png 1 1\n");
    Path none = Files.writeString(folder.resolve("none.txt"), "c.png\n");
    ImageList joined = ImageList.joinUnlabelled(List.of(ImageList.read(two), ImageList.read(none)));
    assertThat(joined.paths())
        .containsExactly(folder.resolve("a.png"), folder.resolve("b.png"), folder.resolve("c.png"));
    assertThat(joined.labels()).isZero();
  }

  @Test
  void theNumberOfLabelsMayBeGiven() throws IOException {
    images("a.png");
    Path list = list("a.png 0 1\n");
    assertThat(ImageList.read(list, null, 2).labels()).isEqualTo(2);
    assertThatThrownBy(() -> ImageList.read(list, null, 14))
        .hasMessage(list + ":1: expected a path and 14 labels, found 2 labels");
  }

  @Test
  void missingImagesAreCountedAndTheFirstNamed() throws IOException {
    images("b.png");
    Path list = list("a.png 0\nb.png 1\nc d.png 1\ne.png 0\nf.png 0\n");
    assertThatThrownBy(() -> ImageList.read(list))
        .isInstanceOf(ImageListException.class)
        .hasMessage(
            list + ": 4 of 5 images are missing in " + folder + ": a.png, c d.png, e.png, ...");
  }

  @Test
  void otherFilesAreNoLists() throws IOException {
    Path absent = folder.resolve("none.txt");
    assertThatThrownBy(() -> ImageList.read(absent)).hasMessage(absent + ": no such file");
    Path empty = list(" \n\n");
    assertThatThrownBy(() -> ImageList.read(empty)).hasMessageContaining("lists no images");
    Path binary = Files.write(folder.resolve("x"), "a\u00e9".getBytes(StandardCharsets.ISO_8859_1));
    assertThatThrownBy(() -> ImageList.read(binary))
        .isInstanceOf(ImageListException.class)
        .hasMessageContaining("not UTF-8 text");
    assertThatThrownBy(() -> ImageList.read(folder))
        .isInstanceOf(ImageListException.class)
        .hasMessage(folder + ": is a folder, expected a list of images");
    assertThatThrownBy(() -> ImageList.read(Path.of("/dev/zero")))
        .isInstanceOf(ImageListException.class)
        .hasMessageContaining("/dev/zero: is no ordinary file")
        .hasMessageContaining("process substitution");
  }

  @Test
  void aListThatMayNotBeReadSaysSo() throws IOException {
    Path list = list("a.png 0\n");
    assumeTrue(list.toFile().setReadable(false) && !Files.isReadable(list), "read by root");
    assertThatThrownBy(() -> ImageList.read(list)).hasMessage(list + ": permission denied");
  }

  @Test
  void endlessLinesAreRefusedAndLongPathsShortened() throws IOException {
    images("a.png");
    Path endless = list("a.png 0\r\n" + "b".repeat(100_000) + " 1\n");
    assertThatThrownBy(() -> ImageList.read(endless))
        .hasMessage(endless + ":2: has more than 8192 characters, expected a path and labels");
    Path missing = list("a.png 0\rb" + "/c".repeat(1000) + " 1\r");
    assertThatThrownBy(() -> ImageList.read(missing))
        .hasMessage(
            "%s: 1 of 2 images are missing in %s: b%s/...%s",
            missing, folder, "/c".repeat(19), "/c".repeat(20));
  }

  @ParameterizedTest
  @ValueSource(strings = {"a.png,0\n", "a.png, 0\n", "a.png,0,1\n", "a.png 0\nb.png,0\n"})
  void commasBetweenFieldsAreNoted(String text) throws IOException {
    images("a.png", "b.png");
    Path list = list(text);
    assertThatThrownBy(() -> ImageList.read(list))
        .isInstanceOf(ImageListException.class)
        .hasMessageEndingWith("; spaces or tabs go between fields, no commas");
  }

  @Test
  void sampleListsAreOfTheFormat() {
    Path samples = Path.of(System.getProperty("lorikeet.root"), "samples");
    ImageList list = ImageList.read(samples.resolve("train_10.txt"));
    assertThat(list.size()).isEqualTo(54);
    assertThat(list.labels()).isEqualTo(1);
    int positives = 0;
    for (byte label : list.labelValues()) {
      positives += label;
    }
    assertThat(positives).isEqualTo(27);
  }
}
