// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.data;

import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.image.CounterRandom;
import io.github.lorikeet.vision.image.CounterRandom.Purpose;
import io.github.lorikeet.vision.image.Image;
import io.github.lorikeet.vision.image.ImageDecoder;
import io.github.lorikeet.vision.image.Preprocess;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Makes batches of one list's images on threads of its own, ahead of whoever takes them. Batches
 * are the same for any number of threads.
 *
 * <p>Memory: what the threads decode at the moment, the cache, and for each open {@link Batches} a
 * batch and two images a thread of floats.
 */
public final class ImageLoader implements AutoCloseable {
  /** Of Java's heap, the part that a cache may take: a training has three lists. */
  private static final int HEAP_PARTS = 8;

  private final ImageList list;
  private final Preprocess preprocess;
  private final int threads;
  private final ExecutorService workers;

  /**
   * Decoded images by their place in the list, kept until the cache is full. None is thrown out for
   * another: an epoch takes every image once, so that whichever stay serve as well as the latest.
   */
  private final AtomicReferenceArray<Image> cache;

  private final AtomicLong cacheLeft;

  /**
   * @param threads at least 1; 0 for one a processor
   * @param cacheBytes most bytes of decoded images to keep for the next epoch, 0 for none; never
   *     more than an eighth of Java's heap
   */
  public ImageLoader(ImageList list, Preprocess preprocess, int threads, long cacheBytes) {
    if (threads < 0 || cacheBytes < 0) {
      throw new IllegalArgumentException(
          "loader with "
              + threads
              + " threads and a cache of "
              + cacheBytes
              + " bytes: expected neither below 0");
    }
    this.list = list;
    this.preprocess = preprocess;
    this.threads = threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
    cache = new AtomicReferenceArray<>(cacheBytes > 0 ? list.size() : 0);
    cacheLeft = new AtomicLong(Math.min(cacheBytes, Runtime.getRuntime().maxMemory() / HEAP_PARTS));
    AtomicInteger started = new AtomicInteger();
    workers =
        Executors.newFixedThreadPool(
            this.threads,
            work -> {
              Thread thread = new Thread(work, "lorikeet-images-" + started.incrementAndGet());
              thread.setDaemon(true);
              return thread;
            });
  }

  public ImageList list() {
    return list;
  }

  /**
   * One epoch of random views in an order shuffled anew each epoch; images that fill no whole batch
   * at its end are left out.
   *
   * @param batch images a batch, at most the list's
   */
  public Batches training(int batch, Augment augment, long seed, int epoch) {
    if (augment.size() != preprocess.size()) {
      throw new IllegalArgumentException(
          "views of size " + augment.size() + ": expected " + preprocess.size());
    }
    if (batch > list.size()) {
      throw new IllegalArgumentException(
          "batches of "
              + batch
              + ": the list has only "
              + list.size()
              + " images, and training leaves incomplete batches out");
    }
    int[] order = new CounterRandom(seed, epoch, 0, Purpose.SHUFFLE).permutation(list.size());
    int count = order.length / Math.max(batch, 1) * batch;
    return new Batches(
        this,
        order,
        count,
        batch,
        (image, index, out) -> augment.prepare(image, preprocess, seed, epoch, index, out));
  }

  /** Every image once, as evaluation sees it, in the list's order. */
  public Batches evaluation(int batch) {
    int[] order = new int[list.size()];
    for (int i = 0; i < order.length; i++) {
      order[i] = i;
    }
    return new Batches(
        this,
        order,
        order.length,
        batch,
        (image, index, out) -> preprocess.normalize(preprocess.centered(image), out));
  }

  /** Stops the threads and waits for them; batches that are still open end. */
  @Override
  public void close() {
    for (Runnable dropped : workers.shutdownNow()) {
      // Whoever waits for it must not wait for ever.
      ((Future<?>) dropped).cancel(false);
    }
    workers.close();
  }

  /** How its images are prepared. */
  public Preprocess preprocess() {
    return preprocess;
  }

  int threads() {
    return threads;
  }

  ExecutorService workers() {
    return workers;
  }

  /** The decoded image, from the cache or the file. */
  Image image(int index) {
    Image cached = index < cache.length() ? cache.get(index) : null;
    if (cached != null) {
      return cached;
    }
    Image image = ImageDecoder.read(list.path(index));
    keep(index, image);
    return image;
  }

  private void keep(int index, Image image) {
    if (cache.length() == 0) {
      return;
    }
    int bytes = image.pixels().length;
    if (cacheLeft.addAndGet(-bytes) < 0 || !cache.compareAndSet(index, null, image)) {
      cacheLeft.addAndGet(bytes);
    }
  }
}
