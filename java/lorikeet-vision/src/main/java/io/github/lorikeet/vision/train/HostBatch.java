// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.HostBuffer;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.data.Batches;
import java.lang.foreign.MemorySegment;

/**
 * A tape's images and targets, and the host memory they are filled from: the two hold one batch
 * each, so that the next one can be taken to host memory while a device computes on this one.
 */
final class HostBatch implements AutoCloseable {
  private static final long ALIGNMENT = 64;

  private final Variable images;
  private final Variable targets;

  /** Made when first needed. */
  private HostBuffer buffer;

  private MemorySegment hostImages;
  private MemorySegment hostTargets;

  /** Where what is in the buffer came from; null when that went to the device, or is not whole. */
  private Batches source;

  private int count;

  /**
   * Adds the inputs to a tape.
   *
   * @param labels 0 for a tape without targets
   */
  HostBatch(Tape tape, int batch, int imageSize, int labels) {
    images = tape.input(DType.F32, batch, 1, imageSize, imageSize);
    targets = labels > 0 ? tape.input(DType.F32, batch, labels) : null;
  }

  /** [batch, 1, imageSize, imageSize] */
  Variable images() {
    return images;
  }

  /** [batch, labels]; null without. */
  Variable targets() {
    return targets;
  }

  /**
   * Takes the next batch to the device; the upload may still be under way on return.
   *
   * @return images in it; the rest of the batch is zero. 0 when there is none left
   */
  int fill(Batches batches) throws InterruptedException {
    prefetch(batches);
    source = null;
    if (count > 0) {
      images.tensor().uploadAsync(hostImages);
      if (targets != null) {
        targets.tensor().uploadAsync(hostTargets);
      }
    }
    return count;
  }

  /** Does the part of the next {@link #fill} for which the device need not have ended its work. */
  void prefetch(Batches batches) throws InterruptedException {
    if (source == batches) {
      return;
    }
    source = null;
    if (buffer == null) {
      allocate();
    }
    images.tensor().device().awaitUploads();
    count = batches.next(hostImages, hostTargets);
    source = batches;
  }

  private void allocate() {
    Device device = images.tensor().device();
    long imageBytes = images.tensor().bytes();
    long targetBytes = targets == null ? 0 : targets.tensor().bytes();
    long begin = (imageBytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    buffer = device.allocateHost(begin + targetBytes);
    hostImages = buffer.memory().asSlice(0, imageBytes);
    hostTargets = targets == null ? null : buffer.memory().asSlice(begin, targetBytes);
  }

  @Override
  public void close() {
    if (buffer != null) {
      buffer.close();
    }
  }
}
