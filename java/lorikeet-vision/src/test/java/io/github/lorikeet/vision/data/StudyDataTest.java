// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StudyDataTest {
  @TempDir Path folder;

  @Test
  void namesListsAndSizesAreTheStudys() {
    assertThat(StudyData.named("nih").labels()).hasSize(14).startsWith("Atelectasis");
    assertThat(StudyData.named("chexpert").labels()).hasSize(5).endsWith("Pleural Effusion");
    assertThat(StudyData.named("rsna").labels()).hasSize(1);
    assertThat(StudyData.trainingList(10)).isEqualTo("train_10.txt");
    assertThat(StudyData.NIH.size(StudyData.trainingList(1))).isEqualTo(785);
    // The three splits are all images of the data set.
    assertThat(
            StudyData.NIH.size("train_list.txt")
                + StudyData.NIH.size("val_list.txt")
                + StudyData.NIH.size("test_list.txt"))
        .isEqualTo(112_120);
    for (StudyData data : StudyData.values()) {
      int all = data.size(StudyData.trainingList(100));
      assertThat(data.size(StudyData.trainingList(10))).isCloseTo(all / 10, within(1));
      assertThat(data.size(StudyData.trainingList(1))).isCloseTo(all / 100, within(1));
    }
    assertThatThrownBy(() -> StudyData.named("mimic"))
        .hasMessage("data set 'mimic': expected nih, chexpert, rsna");
    assertThatThrownBy(() -> StudyData.trainingList(5))
        .hasMessage("training list of 5 %: the study has 1, 10 and 100");
    assertThatThrownBy(() -> StudyData.NIH.size("train.txt")).hasMessageContaining("train_1.txt");
  }

  @Test
  void imagesLieWhereTheStudyHasThem() throws IOException {
    Files.createDirectories(folder.resolve("all_classes"));
    Files.createFile(folder.resolve("all_classes/00000001_000.png"));
    Files.writeString(
        folder.resolve("val_list.txt"), "00000001_000.png 0 1 0 0 0 0 0 0 0 0 0 0 0 0\n");
    ImageList nih = StudyData.NIH.read(folder, StudyData.VALIDATION_LIST);
    assertThat(nih.path(0)).isEqualTo(folder.resolve("all_classes/00000001_000.png"));
    assertThat(nih.label(0, 1)).isEqualTo(1);

    Files.createDirectories(folder.resolve("stage_2_train_images"));
    Files.createFile(folder.resolve("stage_2_train_images/a.dcm"));
    // The study's RSNA lists end every line in a space.
    Files.writeString(folder.resolve("train_1.txt"), "stage_2_train_images/a.dcm 1 \n");
    ImageList rsna = StudyData.RSNA.read(folder, "train_1.txt");
    assertThat(rsna.path(0)).isEqualTo(folder.resolve("stage_2_train_images/a.dcm"));
    assertThatThrownBy(() -> StudyData.CHEXPERT.read(folder, "train_1.txt"))
        .isInstanceOf(ImageListException.class)
        .hasMessageContaining("expected a path and 5 labels, found 1 labels");
  }
}
