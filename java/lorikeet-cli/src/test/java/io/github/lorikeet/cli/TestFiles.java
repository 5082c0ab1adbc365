// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
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
