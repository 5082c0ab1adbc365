// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.data;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.image.TestImages;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A list as long as NIH ChestX-ray14, its lines naming a few files again and again. */
class LongListTest {
  private static final int IMAGES = 112_120;
  private static final int LABELS = 14;
  private static final int FILES = 64;
  private static final int SIZE = 8;
  private static final int BATCH = 64;

  @TempDir Path folder;

  private Path list() throws IOException {
    Path images = Files.createDirectories(folder.resolve("all_classes"));
    for (int i = 0; i < FILES; i++) {
      Files.write(images.resolve("%08d_%03d.png".formatted(i, i)), TestImages.grayPng(9, 9));
    }
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < IMAGES; i++) {
      lines.append("all_classes/%08d_%03d.png".formatted(i % FILES, i % FILES));
      for (int label = 0; label < LABELS; label++) {
        lines.append(' ').append(i >> label & 1);
      }
      lines.append('\n');
    }
    return Files.writeString(folder.resolve("list.txt"), lines);
  }

  @Test
  void staysSmall() throws Exception {
    Path file = list();
    long before = usedBytes();
    ImageList list = ImageList.read(file);
    assertThat(list.size()).isEqualTo(IMAGES);
    assertThat(list.name(100_000)).isEqualTo("all_classes/00000032_032.png");
    assertThat(list.label(100_000, 5)).isEqualTo(100_000 >> 5 & 1);
    // 28 bytes of name, 4 where it ends and 14 labels are 5.2 MB; a String each would be 11 MB.
    assertThat(usedBytes() - before).isLessThan(6_500_000);
    try (ImageLoader loader = new ImageLoader(list, Preprocess.mrm(SIZE), 2, 1 << 20);
        Batches batches = loader.training(BATCH, Augment.sgd(SIZE), 3, 0)) {
      MemorySegment pixels = MemorySegment.ofArray(new float[BATCH * SIZE * SIZE]);
      assertThat(batches.count()).isEqualTo(IMAGES / BATCH);
      assertThat(batches.next(pixels, null)).isEqualTo(BATCH);
      // Two ints and a reference an image: the order of this pass, and the cache.
      assertThat(usedBytes() - before).isLessThan(9_000_000);
    }
  }

  private static long usedBytes() {
    System.gc();
    return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
  }
}
