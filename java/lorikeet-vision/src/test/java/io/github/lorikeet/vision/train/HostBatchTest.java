// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.vision.TestDevices;
import io.github.lorikeet.vision.data.Batches;
import io.github.lorikeet.vision.data.ImageLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag(TestDevices.EACH)
class HostBatchTest {
  private static final int BATCH = 10;

  @TempDir Path folder;

  /** The images and targets of the first batches of a pass. */
  private static List<float[]> batches(
      HostBatch inputs, ImageLoader loader, int batches, boolean ahead) throws Exception {
    List<float[]> all = new ArrayList<>();
    try (Batches pass = loader.evaluation(BATCH)) {
      for (int i = 0; i < batches && inputs.fill(pass) > 0; i++) {
        if (ahead) {
          inputs.prefetch(pass);
        }
        all.add(inputs.images().tensor().download());
        all.add(inputs.targets().tensor().download());
      }
    }
    return all;
  }

  @Test
  void takingABatchAheadChangesNothing() throws Exception {
    try (Device device = TestDevices.open(1);
        ImageLoader loader = SmallStudy.loader(SmallStudy.writeList(folder), 2)) {
      Tape tape = new Tape(device, false);
      try (HostBatch inputs = new HostBatch(tape, BATCH, SmallStudy.CONFIG.imageSize(), 1);
          MemoryPlan plan = MemoryPlan.of(null, tape)) {
        plan.allocate();
        List<float[]> expected = batches(inputs, loader, 9, false);
        assertThat(expected).hasSize(6);
        assertThat(expected.get(0)).isNotEqualTo(expected.get(2));
        assertThat(batches(inputs, loader, 9, true)).usingRecursiveComparison().isEqualTo(expected);
        // A pass that is left early leaves nothing to the next one.
        batches(inputs, loader, 1, true);
        assertThat(batches(inputs, loader, 9, true)).usingRecursiveComparison().isEqualTo(expected);
      }
    }
  }
}
