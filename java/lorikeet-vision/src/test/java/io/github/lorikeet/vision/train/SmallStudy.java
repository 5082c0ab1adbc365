// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.vision.TestDevices;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.data.ImageLoader;
import io.github.lorikeet.vision.image.Augment;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.LoraTargets;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.model.VitConfig;
import io.github.lorikeet.vision.model.WeightSource;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import javax.imageio.ImageIO;

/** A model and a data set small enough to train in a test: is the image bright or dark? */
final class SmallStudy {
  static final int IMAGES = 24;
  static final VitConfig CONFIG =
      new VitConfig(32, 8, 3, 64, TestDevices.isCpu() ? 2 : 1, 1, 128, true);

  private SmallStudy() {}

  /** Writes noisy images with one label, and their list. */
  static Path writeList(Path folder) throws IOException {
    SplittableRandom random = new SplittableRandom(7);
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < IMAGES; i++) {
      BufferedImage image = new BufferedImage(40, 36, BufferedImage.TYPE_BYTE_GRAY);
      for (int y = 0; y < image.getHeight(); y++) {
        for (int x = 0; x < image.getWidth(); x++) {
          image.getRaster().setSample(x, y, 0, (i % 2 == 0 ? 110 : 70) + random.nextInt(100));
        }
      }
      String name = "image " + i + ".png";
      ImageIO.write(image, "png", folder.resolve(name).toFile());
      lines.append(name).append(' ').append(i % 2).append('\n');
    }
    return Files.writeString(folder.resolve("list.txt"), lines);
  }

  static ImageLoader loader(Path list, int threads) {
    return new ImageLoader(
        ImageList.read(list), Preprocess.mrm(CONFIG.imageSize()), threads, 1_000_000);
  }

  static VisionTransformer model(TrainMode mode) {
    VisionTransformer model =
        new VisionTransformer(CONFIG, 1, WeightSource.none(), new Initializer(3), mode::trains);
    if (mode == TrainMode.LORA) {
      model.attachLora(LoraTargets.QUERY_VALUE, 4, 32, 0.1f);
    }
    return model;
  }

  static TrainOptions options(double learningRate, int epochs) {
    Augment augment = new Augment(CONFIG.imageSize(), 0.7, 1, 0.9, 1.1, 0.5);
    return TrainOptions.sgd(learningRate, 1, epochs, 8, augment, 5);
  }

  /** The trained parameters' values by name. */
  static Map<String, float[]> trained(VisionTransformer model) {
    Map<String, float[]> values = new LinkedHashMap<>();
    for (Parameter parameter : model.parameters()) {
      if (parameter.trainable()) {
        values.put(parameter.name(), parameter.download());
      }
    }
    return values;
  }
}
