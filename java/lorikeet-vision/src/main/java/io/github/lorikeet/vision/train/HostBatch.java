// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.data.Batches;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A tape's images and targets, and the host memory they are filled from. */
final class HostBatch implements AutoCloseable {
  private final Variable images;
  private final Variable targets;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment hostImages;
  private final MemorySegment hostTargets;

  /**
   * Adds the inputs to a tape.
   *
   * @param labels 0 for a tape without targets
   */
  HostBatch(Tape tape, int batch, int imageSize, int labels) {
    images = tape.input(DType.F32, batch, 1, imageSize, imageSize);
    hostImages = arena.allocate(images.tensor().bytes(), Float.BYTES);
    targets = labels > 0 ? tape.input(DType.F32, batch, labels) : null;
    hostTargets = labels > 0 ? arena.allocate(targets.tensor().bytes(), Float.BYTES) : null;
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
   * Takes the next batch to the device.
   *
   * @return images in it; the rest of the batch is zero. 0 when there is none left
   */
  int fill(Batches batches) throws InterruptedException {
    int count = batches.next(hostImages, hostTargets);
    if (count > 0) {
      images.tensor().upload(hostImages);
      if (targets != null) {
        targets.tensor().upload(hostTargets);
      }
    }
    return count;
  }

  @Override
  public void close() {
    arena.close();
  }
}
