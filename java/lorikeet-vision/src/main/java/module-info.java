// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/** Vision transformers on the fused kernels: images, checkpoints, models, training. */
module lorikeet.vision {
  requires transitive lorikeet.core;
  requires com.fasterxml.jackson.core;
  requires java.desktop;

  exports io.github.lorikeet.vision.data;
  exports io.github.lorikeet.vision.file to
      lorikeet.cli;
  exports io.github.lorikeet.vision.image;
  exports io.github.lorikeet.vision.log;
  exports io.github.lorikeet.vision.metrics;
  exports io.github.lorikeet.vision.model;
  exports io.github.lorikeet.vision.train;
  exports io.github.lorikeet.vision.weights;
}
