// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Progress;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.model.ModelFile;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.train.Evaluator;
import io.github.lorikeet.vision.train.Scores;

/** Runs a trained classifier over a list of images: what predict and evaluate share. */
final class Inference {
  private Inference() {}

  static Scores run(
      ModelFile file,
      VisionTransformer model,
      ImageList list,
      Preprocess preprocess,
      DeviceOptions where,
      int batch,
      Progress progress)
      throws InterruptedException {
    if (batch < 1) {
      throw new IllegalArgumentException("--batch " + batch + ": expected 1 or more");
    }
    file.notes().forEach(note -> progress.say("note: " + note));
    int size = Math.min(batch, list.size());
    try (Device device = where.open();
        Evaluator evaluator = new Evaluator(device, model, size);
        MemoryPlan plan = MemoryPlan.of(null, evaluator.tape());
        ImageLoader loader = new ImageLoader(list, preprocess, where.loaderThreads(), 0)) {
      plan.allocate();
      progress.begin("predict");
      return evaluator.run(
          loader,
          done ->
              progress.show(
                  new Progress.State(
                      1, 1, done, list.size(), Double.NaN, Double.NaN, plan.peakBytes())));
    } finally {
      progress.close();
    }
  }
}
