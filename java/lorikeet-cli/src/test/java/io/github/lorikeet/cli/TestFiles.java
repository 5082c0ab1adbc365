// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.model.VitConfig;
import io.github.lorikeet.vision.model.WeightSource;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;

/** What tests of runs read, and how they compare what runs write. */
final class TestFiles {
  private TestFiles() {}

  /**
   * Writes list.txt and its images, 0.png and so on, of label 0 and 1 in turn. No more than noise:
   * the labels are learnt late, by heart.
   */
  static Path writeNoise(Path folder, int images, int side) throws IOException {
    SplittableRandom random = new SplittableRandom(1);
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < images; i++) {
      BufferedImage image = new BufferedImage(side, side, BufferedImage.TYPE_BYTE_GRAY);
      for (int pixel = 0; pixel < side * side; pixel++) {
        image.getRaster().setSample(pixel % side, pixel / side, 0, random.nextInt(256));
      }
      ImageIO.write(image, "png", folder.resolve(i + ".png").toFile());
      lines.append(i).append(".png ").append(i % 2).append('\n');
    }
    return Files.writeString(folder.resolve("list.txt"), lines);
  }

  /** Random weights, by name, of a transformer for images of 32 x 32. */
  static Map<String, HostTensor> smallModel(int depth, int labels) {
    VitConfig config = new VitConfig(32, 8, 3, 64, depth, 1, 64, true);
    return new VisionTransformer(
            config, labels, WeightSource.none(), new Initializer(1), name -> false)
        .parameters().stream().collect(Collectors.toMap(p -> p.name(), p -> p.initial()));
  }

  /** The lines of a file of a run, without what a clock said. */
  static String withoutTimes(Path file) throws IOException {
    return Files.readString(file)
        .replaceAll("\"(seconds|images_per_second|waiting_seconds)\" ?: ?[^,}\\n]*", "");
  }

  /** How many lines a file has that may not be there yet. */
  static int lines(Path file) throws IOException {
    return Files.exists(file) ? Files.readAllLines(file).size() : 0;
  }
}
