// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.data;

import io.github.lorikeet.vision.data.DataReport.Finding;
import io.github.lorikeet.vision.data.DataReport.Kind;
import io.github.lorikeet.vision.data.DataReport.ListCounts;
import io.github.lorikeet.vision.image.ImageDecoder;
import io.github.lorikeet.vision.image.ImageException;
import io.github.lorikeet.vision.image.ImageFormat;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Looks at everything that training will read, before it does: lists whose lines are wrong, images
 * that are missing, cannot be decoded or are not what their name says, and images that are in more
 * than one split. Each file is read once, however many lists have it.
 */
public final class DataCheck {
  private static final int PROGRESS_MILLISECONDS = 100;

  /** A list's findings of this kind, more than a person reads: a line may be two bytes long. */
  static final int MOST_WRONG_LINES = 1000;

  /** Told now and then how many of the files were looked at. */
  public interface Progress {
    void show(int done, int files);
  }

  /** A file that lists name, by where it was named first. */
  private static final class Item {
    private final Path path;
    private final int list;
    private final int image;
    private Finding finding;

    /** Of the file's contents; null if it could not be read. */
    private String digest;

    Item(Path path, int list, int image) {
      this.path = path;
      this.list = list;
      this.image = image;
    }
  }

  private final List<Path> files;

  /** What findings call the lists. */
  private final List<String> names;

  private final Path images;
  private final StudyData data;
  private final List<ImageList> lists = new ArrayList<>();
  private final List<Finding> findings = new ArrayList<>();
  private final List<Item> items = new ArrayList<>();
  private int moreWrongLines;

  /**
   * @param lists files of image lists
   * @param images folder that the lists' paths are relative to; null for each list's own, or the
   *     data set's place for them
   * @param data that the lists should be of; null for any with as many labels as the first list has
   */
  public DataCheck(List<Path> lists, Path images, StudyData data) {
    this.files = List.copyOf(lists);
    boolean sameFolder = lists.stream().map(Path::getParent).distinct().count() == 1;
    names =
        lists.stream().map(list -> (sameFolder ? list.getFileName() : list).toString()).toList();
    this.images = images;
    this.data = data;
  }

  /**
   * Checks all lists, then all files on threads.
   *
   * @param threads at least 1; 0 for one a processor
   * @throws ImageListException if a list cannot be read at all
   */
  public DataReport run(int threads, Progress progress) throws InterruptedException {
    for (int list = 0; list < files.size(); list++) {
      lists.add(scan(files.get(list), names.get(list)));
    }
    checkLabelCounts();
    collect();
    checkFiles(threads == 0 ? Runtime.getRuntime().availableProcessors() : threads, progress);
    for (Item item : items) {
      if (item.finding != null) {
        findings.add(item.finding);
      }
    }
    findCopies();
    List<ListCounts> counts = new ArrayList<>();
    for (int i = 0; i < lists.size(); i++) {
      counts.add(ListCounts.of(name(i), lists.get(i)));
    }
    return new DataReport(counts, items.size(), List.copyOf(findings), moreWrongLines);
  }

  private ImageList scan(Path file, String name) {
    Path folder = file.toAbsolutePath().getParent();
    Path root = images != null ? images : data != null ? data.images(folder) : folder;
    int before = findings.size();
    ImageList list =
        ImageList.scan(
            file,
            root,
            -1,
            (line, message) -> {
              if (findings.size() - before < MOST_WRONG_LINES) {
                findings.add(
                    new Finding(Kind.WRONG_LINE, name, "", "line " + line + ": " + message));
              } else {
                moreWrongLines++;
              }
            });
    if (list.size() == 0) {
      findings.add(new Finding(Kind.WRONG_LINE, name, "", "lists no images"));
    }
    return list;
  }

  private void checkLabelCounts() {
    int expected = data != null ? data.labels().size() : lists.getFirst().labels();
    for (int i = 0; i < lists.size(); i++) {
      int labels = lists.get(i).labels();
      if (labels != expected && lists.get(i).size() > 0) {
        findings.add(
            new Finding(
                Kind.LABEL_COUNT,
                name(i),
                "",
                labels
                    + " labels a line, expected "
                    + expected
                    + (data != null ? " as " + data.title() + " has" : " as " + name(0) + " has")));
      }
    }
  }

  /** Finds each list's files, and those that two splits share or that have two sets of labels. */
  private void collect() {
    Map<Path, Item> byPath = new HashMap<>();
    for (int l = 0; l < lists.size(); l++) {
      ImageList list = lists.get(l);
      for (int image = 0; image < list.size(); image++) {
        Path path = list.path(image).normalize();
        Item first = byPath.get(path);
        if (first == null) {
          first = new Item(path, l, image);
          byPath.put(path, first);
          items.add(first);
        } else {
          compare(first, l, image, "");
        }
      }
    }
  }

  /**
   * Compares one more naming of a picture with its first.
   *
   * @param as what the two have in common; empty if it is the file
   */
  private void compare(Item first, int list, int image, String as) {
    boolean sameFile = as.isEmpty();
    String name = lists.get(list).name(image);
    String place = sameFile ? name(first.list) : name(first.list) + ", " + as;
    if (list != first.list && file(list).equals(file(first.list))) {
      String twice = "also in " + place + ", the same list given twice";
      findings.add(new Finding(Kind.SHARED, name(list), name, twice));
    } else if (!split(list).equals(split(first.list))) {
      findings.add(new Finding(Kind.SHARED, name(list), name, "also in " + place));
    } else if (sameFile && list == first.list) {
      findings.add(new Finding(Kind.REPEATED, name(list), name, "listed more than once"));
    }
    if (lists.get(list).labels() == lists.get(first.list).labels()
        && !Arrays.equals(labels(list, image), labels(first.list, first.image))) {
      findings.add(
          new Finding(
              Kind.LABELS_DIFFER,
              name(list),
              name,
              "labels "
                  + Arrays.toString(labels(list, image))
                  + ", but "
                  + Arrays.toString(labels(first.list, first.image))
                  + " in "
                  + place));
    }
  }

  private void findCopies() {
    Map<String, Item> byDigest = new HashMap<>();
    for (Item item : items) {
      Item first = item.digest == null ? null : byDigest.putIfAbsent(item.digest, item);
      if (first != null) {
        String as = "with the same bytes, as " + lists.get(first.list).name(first.image);
        compare(first, item.list, item.image, as);
      }
    }
  }

  private void checkFiles(int threads, Progress progress) throws InterruptedException {
    AtomicInteger next = new AtomicInteger();
    AtomicInteger done = new AtomicInteger();
    try (ExecutorService workers = Executors.newFixedThreadPool(threads)) {
      List<Future<?>> futures = new ArrayList<>();
      for (int i = 0; i < threads; i++) {
        futures.add(
            workers.submit(
                () -> {
                  for (int item = next.getAndIncrement();
                      item < items.size();
                      item = next.getAndIncrement()) {
                    check(items.get(item));
                    done.incrementAndGet();
                  }
                }));
      }
      try {
        for (Future<?> future : futures) {
          await(future, () -> progress.show(done.get(), items.size()));
        }
      } finally {
        next.set(items.size());
      }
    }
  }

  private static void await(Future<?> future, Runnable meanwhile) throws InterruptedException {
    while (true) {
      try {
        future.get(PROGRESS_MILLISECONDS, TimeUnit.MILLISECONDS);
        return;
      } catch (TimeoutException e) {
        meanwhile.run();
      } catch (ExecutionException e) {
        if (e.getCause() instanceof Error error) {
          throw error;
        }
        throw new IllegalStateException(e.getCause());
      }
    }
  }

  private void check(Item item) {
    String list = name(item.list);
    String image = lists.get(item.list).name(item.image);
    if (!Files.isRegularFile(item.path)) {
      String problem = Files.exists(item.path) ? " is not a file" : " does not exist";
      item.finding = new Finding(Kind.MISSING, list, image, item.path + problem);
      return;
    }
    try {
      byte[] bytes = ImageDecoder.load(item.path);
      item.digest = digest(bytes);
      ImageDecoder.decode(bytes, item.path.toString());
      ImageFormat format = ImageFormat.of(bytes);
      ImageFormat expected = data != null ? data.format() : ImageFormat.ofName(image);
      if (expected != null && format != expected) {
        item.finding =
            new Finding(
                Kind.WRONG_FORMAT, list, image, "it is " + format + ", expected " + expected);
      }
    } catch (ImageException e) {
      item.finding = new Finding(Kind.CORRUPT, list, image, e.getMessage());
    }
  }

  /** Enough of a file's SHA-256 to tell contents apart. */
  private static String digest(byte[] bytes) {
    try {
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(bytes);
      return new String(hash, 0, 16, StandardCharsets.ISO_8859_1);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  private int[] labels(int list, int image) {
    int[] labels = new int[lists.get(list).labels()];
    for (int i = 0; i < labels.length; i++) {
      labels[i] = lists.get(list).label(image, i);
    }
    return labels;
  }

  private String name(int list) {
    return names.get(list);
  }

  /** Lists for training share images, with 1, 10 and 100 % of them; other lists must not. */
  private String split(int list) {
    Path file = file(list);
    return file.getFileName().toString().startsWith("train") ? "train" : file.toString();
  }

  private Path file(int list) {
    return files.get(list).toAbsolutePath().normalize();
  }
}
