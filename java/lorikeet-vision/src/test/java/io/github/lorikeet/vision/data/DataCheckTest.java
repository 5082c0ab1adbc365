// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.vision.data.DataReport.Finding;
import io.github.lorikeet.vision.data.DataReport.Kind;
import io.github.lorikeet.vision.data.DataReport.ListCounts;
import io.github.lorikeet.vision.image.TestDicom;
import io.github.lorikeet.vision.image.TestImages;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DataCheckTest {
  @TempDir Path folder;

  /** Six images whose contents differ. */
  @BeforeEach
  void makeImages() throws IOException {
    for (int i = 0; i < 6; i++) {
      Files.write(folder.resolve(i + ".png"), TestImages.grayPng(10 + i, 12));
    }
  }

  private Path list(String name, String text) throws IOException {
    return Files.writeString(folder.resolve(name), text);
  }

  private static DataReport check(StudyData data, Path... lists) throws InterruptedException {
    return new DataCheck(List.of(lists), null, data).run(2, (done, files) -> {});
  }

  @Test
  void countsSoundLists() throws Exception {
    Path small = list("train_1.txt", "0.png 1 0\n1.png 0 0\n");
    Path large = list("train_list.txt", "0.png 1 0\n1.png 0 0\n2.png 1 1\n");
    Path test = list("test_list.txt", "3.png 0 1\n");
    DataReport report = check(null, small, large, test);
    assertThat(report.findings()).isEmpty();
    assertThat(report.files()).isEqualTo(4);
    assertThat(report.lists())
        .containsExactly(
            new ListCounts("train_1.txt", 2, List.of(1, 0), 1),
            new ListCounts("train_list.txt", 3, List.of(2, 1), 1),
            new ListCounts("test_list.txt", 1, List.of(0, 1), 0));
  }

  @ParameterizedTest
  @ValueSource(strings = {"list.txt", "train_list.txt"})
  void aListGivenTwiceIsInTwoSplits(String name) throws Exception {
    Path list = list(name, "0.png 1\n1.png 0\n");
    String twice = "also in " + name + ", the same list given twice";
    assertThat(check(null, list, list).findings())
        .containsExactly(
            new Finding(Kind.SHARED, name, "0.png", twice),
            new Finding(Kind.SHARED, name, "1.png", twice));
  }

  @Test
  void namesEveryFileThatCannotBeRead() throws Exception {
    byte[] png = Files.readAllBytes(folder.resolve("1.png"));
    Files.write(folder.resolve("1.png"), Arrays.copyOf(png, png.length - 20));
    Files.write(folder.resolve("2.png"), TestDicom.jpegInside(16, 16));
    Files.createDirectory(folder.resolve("sub"));
    Path list = list("list.txt", "0.png 1\n1.png 0\n2.png 1\nnone.png 1\nsub 0\n");
    DataReport report = check(null, list);
    Path none = folder.resolve("none.png");
    assertThat(report.findings())
        .contains(
            new Finding(Kind.MISSING, "list.txt", "none.png", none + " does not exist"),
            new Finding(Kind.MISSING, "list.txt", "sub", folder.resolve("sub") + " is not a file"),
            new Finding(Kind.WRONG_FORMAT, "list.txt", "2.png", "it is DICOM, expected PNG"))
        .hasSize(4)
        .anySatisfy(
            finding -> {
              assertThat(finding.kind()).isEqualTo(Kind.CORRUPT);
              assertThat(finding.message())
                  .startsWith(folder.resolve("1.png") + ": truncated PNG: ");
            });
  }

  @Test
  void namesImagesThatSplitsShare() throws Exception {
    Files.copy(folder.resolve("2.png"), folder.resolve("copy.png"));
    Path train = list("train_list.txt", "0.png 1\n1.png 0\n2.png 1\n1.png 0\n");
    Path test = list("test_list.txt", "3.png 1\n./0.png 1\ncopy.png 0\n");
    assertThat(check(null, train, test).findings())
        .containsExactly(
            new Finding(Kind.REPEATED, "train_list.txt", "1.png", "listed more than once"),
            new Finding(Kind.SHARED, "test_list.txt", "./0.png", "also in train_list.txt"),
            new Finding(
                Kind.SHARED,
                "test_list.txt",
                "copy.png",
                "also in train_list.txt, with the same bytes, as 2.png"),
            new Finding(
                Kind.LABELS_DIFFER,
                "test_list.txt",
                "copy.png",
                "labels [0], but [1] in train_list.txt, with the same bytes, as 2.png"));
  }

  @Test
  void namesLabelsThatDiffer() throws Exception {
    Path small = list("train_1.txt", "0.png 1 0\n1.png 0 0\n");
    Path large = list("train_list.txt", "0.png 1 1\n1.png 0 0\n");
    assertThat(check(null, small, large).findings())
        .containsExactly(
            new Finding(
                Kind.LABELS_DIFFER,
                "train_list.txt",
                "0.png",
                "labels [1, 1], but [1, 0] in train_1.txt"));
  }

  @Test
  void namesWrongLinesAndGoesOn() throws Exception {
    Path list = list("list.txt", "0.png 1 0\n1.png 2 0\n2.png 0\n\n3.png 0 1\n");
    Path other = list("other.txt", "4.png 1\n");
    Path empty = list("empty.txt", "\n");
    DataReport report = check(null, list, other, empty);
    assertThat(report.findings())
        .containsExactly(
            new Finding(Kind.WRONG_LINE, "list.txt", "", "line 2: label '2': expected 0 or 1"),
            new Finding(
                Kind.WRONG_LINE,
                "list.txt",
                "",
                "line 3: expected a path and 2 labels, found 1 labels"),
            new Finding(Kind.WRONG_LINE, "empty.txt", "", "lists no images"),
            new Finding(
                Kind.LABEL_COUNT, "other.txt", "", "1 labels a line, expected 2 as list.txt has"));
    assertThat(report.files()).isEqualTo(3);
    Path none = folder.resolve("none.txt");
    assertThatThrownBy(() -> check(null, none)).hasMessage(none + ": no such file");
  }

  @Test
  void ofManyWrongLinesTheRestIsCounted() throws Exception {
    Path list = list("list.txt", "0.png 1\n" + "x 2\n".repeat(1500));
    Path other = list("other.txt", "1.png 1\n" + "x 2\n".repeat(3));
    DataReport report = check(null, list, other);
    assertThat(report.findings()).hasSize(1003).allMatch(f -> f.kind() == Kind.WRONG_LINE);
    assertThat(report.findings().get(999).message()).startsWith("line 1001: ");
    assertThat(report.moreWrongLines()).isEqualTo(500);
  }

  @Test
  void theStudysDataSetsHaveFormatsAndLabels() throws Exception {
    Files.createDirectory(folder.resolve("all_classes"));
    Files.move(folder.resolve("0.png"), folder.resolve("all_classes/0.png"));
    Path nih = list("val_list.txt", "0.png" + " 0".repeat(13) + " 1\n");
    assertThat(check(StudyData.NIH, nih).findings()).isEmpty();

    Files.write(folder.resolve("a.dcm"), TestDicom.jpegInside(16, 16));
    Path rsna = list("test_list.txt", "a.dcm 1 \n1.png 0 \n");
    assertThat(check(StudyData.RSNA, rsna).findings())
        .containsExactly(
            new Finding(Kind.WRONG_FORMAT, "test_list.txt", "1.png", "it is PNG, expected DICOM"));
    assertThat(check(StudyData.CHEXPERT, rsna).findings())
        .contains(
            new Finding(
                Kind.LABEL_COUNT,
                "test_list.txt",
                "",
                "1 labels a line, expected 5 as CheXpert has"));
  }

  @Test
  void everyFileIsCountedOnce() throws Exception {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 500; i++) {
      Files.write(folder.resolve("i" + i + ".png"), TestImages.grayPng(30 + i, 20));
      lines.append("i").append(i).append(".png 1\n");
    }
    Path list = list("list.txt", lines.toString());
    DataReport report = new DataCheck(List.of(list), null, null).run(3, (done, files) -> {});
    assertThat(report.files()).isEqualTo(500);
  }

  /** Of pictures that grow until a look at one takes long enough to be asked about. */
  @Test
  void progressIsShownMeanwhile() throws Exception {
    Path list = list("list.txt", "0.png 1\n1.png 0\nlarge.png 1\n");
    List<Integer> seen = new ArrayList<>();
    for (int side = 1000; seen.isEmpty() && side <= 8000; side *= 2) {
      Files.write(folder.resolve("large.png"), TestImages.grayPng(side, side));
      new DataCheck(List.of(list), null, null)
          .run(
              1,
              (done, files) -> {
                assertThat(files).isEqualTo(3);
                seen.add(done);
              });
    }
    assertThat(seen).isNotEmpty().isSorted().allMatch(done -> done >= 0 && done <= 3);
  }
}
