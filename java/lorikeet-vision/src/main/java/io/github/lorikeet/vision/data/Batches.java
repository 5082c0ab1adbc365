// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.data;

import io.github.lorikeet.vision.image.Image;
import io.github.lorikeet.vision.image.ImageException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;

/**
 * The batches of one pass over a list, one after the other, while the loader's threads prepare the
 * images of the next. For one thread at a time; close it when done with it, at the end or before.
 */
public final class Batches implements AutoCloseable {

  /** Writes a decoded image as a model takes it. */
  interface Preparation {
    void prepare(Image image, int index, float[] out);
  }

  private final ImageLoader loader;
  private final int[] order;
  private final int images;
  private final int batch;
  private final Preparation preparation;

  /** Images under way, in order. */
  private final ArrayDeque<Future<float[]>> pending = new ArrayDeque<>();

  /** Pixel arrays that no image under way writes to. */
  private final ArrayDeque<float[]> free = new ArrayDeque<>();

  private int submitted;
  private int taken;
  private boolean closed;

  /**
   * @param order images by their place in the list
   * @param images how many of these, from the first, make up the pass
   */
  Batches(ImageLoader loader, int[] order, int images, int batch, Preparation preparation) {
    if (batch < 1) {
      throw new IllegalArgumentException("batches of " + batch + ": expected at least 1");
    }
    this.loader = loader;
    this.order = order;
    this.images = images;
    this.batch = batch;
    this.preparation = preparation;
    int ahead = Math.min(images, batch + 2 * loader.threads());
    for (int i = 0; i < ahead; i++) {
      free.add(new float[loader.preprocess().elements()]);
    }
    prepareNext();
  }

  /** Batches of the whole pass. */
  public int count() {
    return Math.ceilDiv(images, batch);
  }

  /** Place in the list of the pass's image {@code i}: image i % batch of batch i / batch. */
  public int index(int i) {
    return order[i];
  }

  /**
   * Writes the next batch. After the last image of an incomplete batch, pixels and labels are 0.
   *
   * @param pixels float32 [batch, size, size], at least
   * @param labels float32 [batch, labels], at least; null when they are not wanted
   * @return images written; 0 after the last batch
   * @throws ImageException naming the image that could not be read
   * @throws InterruptedException if the thread is interrupted; the pass has ended then
   */
  public int next(MemorySegment pixels, MemorySegment labels) throws InterruptedException {
    int elements = loader.preprocess().elements();
    int labelCount = loader.list().labels();
    checkRoom(pixels, "pixels", (long) batch * elements);
    if (labels != null) {
      checkRoom(labels, "labels", (long) batch * labelCount);
    }
    int count = Math.min(batch, images - taken);
    if (count == 0) {
      return 0;
    }
    for (int i = 0; i < count; i++) {
      int index = order[taken];
      float[] prepared = takeNext();
      MemorySegment.copy(
          prepared, 0, pixels, ValueLayout.JAVA_FLOAT, Float.BYTES * (long) i * elements, elements);
      free.add(prepared);
      for (int l = 0; labels != null && l < labelCount; l++) {
        labels.setAtIndex(
            ValueLayout.JAVA_FLOAT, (long) i * labelCount + l, loader.list().label(index, l));
      }
      prepareNext();
    }
    clear(pixels, count, elements);
    if (labels != null) {
      clear(labels, count, labelCount);
    }
    return count;
  }

  /** Ends the pass: images under way are given up. */
  @Override
  public void close() {
    closed = true;
    pending.forEach(image -> image.cancel(false));
    pending.clear();
    free.clear();
  }

  /** Sets threads to work as long as there are images left and memory to put them. */
  private void prepareNext() {
    while (submitted < images && !free.isEmpty()) {
      int index = order[submitted++];
      float[] target = free.remove();
      try {
        pending.add(loader.workers().submit(() -> prepare(index, target)));
      } catch (RejectedExecutionException e) {
        throw loaderClosed(e);
      }
    }
  }

  private float[] prepare(int index, float[] target) {
    Image image = loader.image(index);
    try {
      preparation.prepare(image, index, target);
      return target;
    } catch (RuntimeException e) {
      throw new ImageException(loader.list().path(index) + ": " + e.getMessage(), e);
    }
  }

  private float[] takeNext() throws InterruptedException {
    if (closed) {
      throw new IllegalStateException("the batches are closed");
    }
    try {
      if (Thread.interrupted()) {
        throw new InterruptedException();
      }
      float[] prepared = pending.element().get();
      pending.remove();
      taken++;
      return prepared;
    } catch (InterruptedException e) {
      close();
      throw e;
    } catch (CancellationException e) {
      close();
      throw loaderClosed(e);
    } catch (ExecutionException e) {
      close();
      if (loader.workers().isShutdown()) {
        throw loaderClosed(e);
      }
      if (e.getCause() instanceof Error error) {
        throw error;
      }
      throw e.getCause() instanceof ImageException image
          ? new ImageException(image.getMessage(), image)
          : new IllegalStateException(e.getCause());
    }
  }

  private static IllegalStateException loaderClosed(Exception cause) {
    return new IllegalStateException("the image loader is closed", cause);
  }

  private void checkRoom(MemorySegment segment, String name, long elements) {
    if (segment.byteSize() < elements * Float.BYTES) {
      throw new IllegalArgumentException(
          name
              + " of "
              + segment.byteSize()
              + " bytes: expected at least "
              + elements
              + " float32 for a batch of "
              + batch);
    }
  }

  /** Zeroes the places of a batch from image {@code count} on. */
  private void clear(MemorySegment segment, int count, int elements) {
    long from = (long) count * elements * Float.BYTES;
    segment.asSlice(from, (long) batch * elements * Float.BYTES - from).fill((byte) 0);
  }
}
