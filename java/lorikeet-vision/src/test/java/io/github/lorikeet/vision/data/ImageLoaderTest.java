// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.data;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.image.ImageDecoder;
import io.github.lorikeet.vision.image.ImageException;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.image.TestImages;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ImageLoaderTest {
  private static final int SIZE = 8;
  private static final int BATCH = 4;
  private static final int IMAGES = 11;
  private static final Preprocess PREPROCESS = Preprocess.mrm(SIZE);
  private static final Augment AUGMENT = Augment.sgd(SIZE);

  @TempDir Path folder;
  private ImageList list;

  /** Eleven images of different sizes; labels are the two lowest bits of the image's number. */
  @BeforeEach
  void makeList() throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < IMAGES; i++) {
      Files.write(folder.resolve(i + ".png"), TestImages.grayPng(20 + i, 31 - 2 * i));
      lines.append(i).append(".png ").append(i & 1).append(' ').append(i >> 1 & 1).append('\n');
    }
    list = ImageList.read(Files.writeString(folder.resolve("list.txt"), lines));
  }

  private record Batch(int count, float[] pixels, float[] labels) {}

  private static List<Batch> all(Batches batches) throws InterruptedException {
    List<Batch> all = new ArrayList<>();
    float[] pixels = new float[BATCH * SIZE * SIZE];
    float[] labels = new float[BATCH * 2];
    int count;
    while ((count = next(batches, pixels, labels)) > 0) {
      all.add(new Batch(count, pixels.clone(), labels.clone()));
    }
    return all;
  }

  private static int next(Batches batches, float[] pixels, float[] labels)
      throws InterruptedException {
    return batches.next(MemorySegment.ofArray(pixels), MemorySegment.ofArray(labels));
  }

  private static float[] image(Batch batch, int i) {
    float[] image = new float[SIZE * SIZE];
    System.arraycopy(batch.pixels(), i * image.length, image, 0, image.length);
    return image;
  }

  @Test
  void evaluationGivesEveryImageInOrder() throws Exception {
    try (ImageLoader loader = new ImageLoader(list, PREPROCESS, 2, 0);
        Batches batches = loader.evaluation(BATCH)) {
      assertThat(batches.count()).isEqualTo(3);
      List<Batch> all = all(batches);
      assertThat(all).extracting(Batch::count).containsExactly(4, 4, 3);
      for (int i = 0; i < IMAGES; i++) {
        Batch batch = all.get(i / BATCH);
        float[] expected = new float[SIZE * SIZE];
        PREPROCESS.normalize(PREPROCESS.centered(ImageDecoder.read(list.path(i))), expected);
        assertThat(image(batch, i % BATCH)).isEqualTo(expected);
        assertThat(batch.labels()[i % BATCH * 2]).isEqualTo(i & 1);
        assertThat(batch.labels()[i % BATCH * 2 + 1]).isEqualTo(i >> 1 & 1);
        assertThat(batches.index(i)).isEqualTo(i);
      }
      // What the incomplete batch does not fill is zero, not what the one before it left.
      assertThat(image(all.get(2), 3)).containsOnly(0);
      assertThat(all.get(2).labels()[6]).isZero();
      assertThat(all.get(2).labels()[7]).isZero();
    }
  }

  @Test
  void trainingGivesEachEpochsViewsInAnOrderOfItsOwn() throws Exception {
    try (ImageLoader loader = new ImageLoader(list, PREPROCESS, 2, 0)) {
      Set<List<Integer>> orders = new HashSet<>();
      for (int epoch = 0; epoch < 5; epoch++) {
        try (Batches batches = loader.training(BATCH, AUGMENT, 9, epoch)) {
          assertThat(batches.count()).isEqualTo(2);
          List<Batch> all = all(batches);
          assertThat(all).extracting(Batch::count).containsExactly(4, 4);
          List<Integer> order = new ArrayList<>();
          for (int i = 0; i < 8; i++) {
            int index = batches.index(i);
            order.add(index);
            float[] expected = new float[SIZE * SIZE];
            PREPROCESS.normalize(
                AUGMENT.view(ImageDecoder.read(list.path(index)), 9, epoch, index), expected);
            assertThat(image(all.get(i / BATCH), i % BATCH)).isEqualTo(expected);
            assertThat(all.get(i / BATCH).labels()[i % BATCH * 2]).isEqualTo(index & 1);
          }
          assertThat(new TreeSet<>(order)).hasSize(8);
          assertThat(order).allMatch(index -> index >= 0 && index < IMAGES);
          orders.add(order);
        }
      }
      assertThat(orders).hasSize(5);
    }
  }

  @Test
  void shufflesAreUniform() {
    try (ImageLoader loader = new ImageLoader(list, PREPROCESS, 1, 0)) {
      int[] first = new int[IMAGES];
      for (int epoch = 0; epoch < 2200; epoch++) {
        try (Batches batches = loader.training(IMAGES, AUGMENT, 1, epoch)) {
          first[batches.index(0)]++;
        }
      }
      // 200 each, with a standard deviation of 13.
      for (int count : first) {
        assertThat(count).isBetween(140, 260);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 0", "2, 0", "7, 0", "1, 100000", "7, 100000", "3, 1500"})
  void threadsAndCacheChangeNothing(int threads, long cache) throws Exception {
    List<Batch> expected = new ArrayList<>();
    try (ImageLoader loader = new ImageLoader(list, PREPROCESS, 3, 0)) {
      for (int epoch = 0; epoch < 3; epoch++) {
        try (Batches batches = loader.training(BATCH, AUGMENT, 5, epoch)) {
          expected.addAll(all(batches));
        }
      }
    }
    List<Batch> found = new ArrayList<>();
    try (ImageLoader loader = new ImageLoader(list, PREPROCESS, threads, cache)) {
      for (int epoch = 0; epoch < 3; epoch++) {
        try (Batches batches = loader.training(BATCH, AUGMENT, 5, epoch)) {
          found.addAll(all(batches));
        }
      }
    }
    assertThat(found).usingRecursiveComparison().isEqualTo(expected);
  }

  @Test
  void theCacheSparesTheFilesUpToItsSize() throws Exception {
    // 20 x 31 and 21 x 29 fit, 1229 bytes together; after them the file is needed.
    try (ImageLoader loader = new ImageLoader(list, PREPROCESS, 1, 1300)) {
      try (Batches batches = loader.evaluation(IMAGES)) {
        assertThat(countImages(batches)).isEqualTo(IMAGES);
      }
      for (int i = 0; i < 2; i++) {
        Files.delete(list.path(i));
      }
      try (Batches batches = loader.evaluation(IMAGES)) {
        assertThat(countImages(batches)).isEqualTo(IMAGES);
      }
      Files.delete(list.path(2));
      try (Batches batches = loader.evaluation(IMAGES)) {
        assertThatThrownBy(() -> countImages(batches))
            .isInstanceOf(ImageException.class)
            .hasMessage(list.path(2) + ": no such file");
      }
    }
  }

  private static int countImages(Batches batches) throws InterruptedException {
    return batches.next(MemorySegment.ofArray(new float[IMAGES * SIZE * SIZE]), null);
  }

  @Test
  void aBadImageIsNamedAndEndsThePass() throws Exception {
    Files.writeString(list.path(5), "no image");
    try (ImageLoader loader = new ImageLoader(list, PREPROCESS, 3, 0);
        Batches batches = loader.evaluation(BATCH)) {
      float[] pixels = new float[BATCH * SIZE * SIZE];
      float[] labels = new float[BATCH * 2];
      assertThat(next(batches, pixels, labels)).isEqualTo(4);
      assertThatThrownBy(() -> next(batches, pixels, labels))
          .isInstanceOf(ImageException.class)
          .hasMessageStartingWith(list.path(5) + ": not a JPEG, PNG or DICOM file");
      assertThatThrownBy(() -> next(batches, pixels, labels))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("closed");
    }
  }

  @Test
  void imagesThatCannotBePreparedAreNamedToo() throws Exception {
    Files.write(list.path(0), TestImages.grayPng(1, 60_000));
    Preprocess large = Preprocess.mrm(224);
    try (ImageLoader loader = new ImageLoader(list, large, 1, 0);
        Batches batches = loader.evaluation(1)) {
      MemorySegment pixels = MemorySegment.ofArray(new float[224 * 224]);
      assertThatThrownBy(() -> batches.next(pixels, null))
          .isInstanceOf(ImageException.class)
          .hasMessageStartingWith(list.path(0) + ": an image of 1 x 60000");
    }
  }

  @Test
  void interruptsEndThePassAndLeaveNoThread() throws Exception {
    ImageLoader loader = new ImageLoader(list, PREPROCESS, 2, 0);
    Batches batches = loader.training(BATCH, AUGMENT, 1, 0);
    Thread.currentThread().interrupt();
    assertThatThrownBy(() -> all(batches)).isInstanceOf(InterruptedException.class);
    assertThat(Thread.interrupted()).isFalse();
    batches.close();
    loader.close();
    loader.close();
    assertNoLoaderThread();
    assertThatThrownBy(() -> loader.evaluation(1))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("the image loader is closed");
  }

  @Test
  void closingTheLoaderFreesWhoeverWaits() throws Exception {
    for (int round = 0; round < 50; round++) {
      ImageLoader loader = new ImageLoader(list, PREPROCESS, 1, 0);
      AtomicReference<Throwable> seen = new AtomicReference<>();
      Thread waiting =
          new Thread(
              () -> {
                try (Batches batches = loader.evaluation(BATCH)) {
                  all(batches);
                } catch (Throwable e) {
                  seen.set(e);
                }
              });
      waiting.start();
      loader.close();
      waiting.join();
      if (seen.get() != null) {
        assertThat(seen.get())
            .isInstanceOf(IllegalStateException.class)
            .hasMessage("the image loader is closed");
      }
    }
    assertNoLoaderThread();
  }

  /** A closed loader's threads have ended their work, their lives perhaps a moment later. */
  private static void assertNoLoaderThread() throws InterruptedException {
    for (Thread thread : loaderThreads()) {
      thread.join(5000);
    }
    assertThat(loaderThreads()).isEmpty();
  }

  private static List<Thread> loaderThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().startsWith("lorikeet-images"))
        .toList();
  }

  @Test
  void refusesWhatDoesNotFit() {
    try (ImageLoader loader = new ImageLoader(list, PREPROCESS, 1, 0)) {
      assertThatThrownBy(() -> loader.training(12, AUGMENT, 0, 0))
          .hasMessageContaining("the list has only 11 images");
      assertThatThrownBy(() -> loader.training(4, Augment.sgd(9), 0, 0))
          .hasMessage("views of size 9: expected 8");
      assertThatThrownBy(() -> loader.evaluation(0)).hasMessageContaining("expected at least 1");
      try (Batches batches = loader.evaluation(BATCH)) {
        MemorySegment small = MemorySegment.ofArray(new float[BATCH * SIZE * SIZE - 1]);
        MemorySegment labels = MemorySegment.ofArray(new float[8]);
        assertThatThrownBy(() -> batches.next(small, labels))
            .hasMessage("pixels of 1020 bytes: expected at least 256 float32 for a batch of 4");
        MemorySegment pixels = MemorySegment.ofArray(new float[BATCH * SIZE * SIZE]);
        assertThatThrownBy(() -> batches.next(pixels, labels.asSlice(4)))
            .hasMessageStartingWith("labels of 28 bytes");
      }
    }
    assertThatThrownBy(() -> new ImageLoader(list, PREPROCESS, -1, 0))
        .hasMessageContaining("expected neither below 0");
  }

  @Test
  void largerSegmentsKeepTheirRest() throws Exception {
    try (ImageLoader loader = new ImageLoader(list, PREPROCESS, 1, 0);
        Batches batches = loader.evaluation(1)) {
      MemorySegment pixels = MemorySegment.ofArray(new float[SIZE * SIZE + 1]);
      pixels.setAtIndex(JAVA_FLOAT, SIZE * SIZE, 42);
      batches.next(pixels, null);
      assertThat(pixels.getAtIndex(JAVA_FLOAT, SIZE * SIZE)).isEqualTo(42);
    }
  }
}
