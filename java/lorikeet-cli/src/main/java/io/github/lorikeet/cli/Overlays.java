// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.report.Report.Picture;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.vision.image.Image;
import io.github.lorikeet.vision.image.ImageDecoder;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.model.AttentionRollout;
import io.github.lorikeet.vision.model.VisionTransformer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** Shows of an image what a model looks at: its grey picture, and the same under a heat map. */
final class Overlays implements Examples.Pictures, AutoCloseable {
  /** What a reader should know of them. */
  static final String NOTE =
      "Left the radiograph as the model sees it, right the patches its attention draws on"
          + " (attention rollout, arXiv 2005.00928): from none (the least of the picture) to"
          + " yellow (the most). It shows where the model looks, not why, and for no single label.";

  /** Pixels a side of the pictures, at least. */
  private static final int LEAST_SIZE = 224;

  /** How much of the hottest places the heat covers. */
  private static final double COVER = 0.6;

  private final Preprocess preprocess;
  private final AttentionRollout rollout;

  /**
   * @param model in no memory plan
   */
  Overlays(Device device, VisionTransformer model, Preprocess preprocess) {
    this.preprocess = preprocess;
    rollout = new AttentionRollout(device, model);
  }

  @Override
  public List<Picture> of(Path file) {
    Image source = ImageDecoder.read(file).gray();
    Image seen = preprocess.centered(source);
    float[] pixels = new float[preprocess.elements()];
    preprocess.normalize(seen, pixels);
    double[] relevance = rollout.of(pixels).relevance();
    int factor = Math.ceilDiv(LEAST_SIZE, preprocess.size());
    Image shown =
        new Preprocess(
                preprocess.size() * factor,
                preprocess.shorterSide() * factor,
                preprocess.mean(),
                preprocess.deviation())
            .centered(source);
    return List.of(
        new Picture("", shown.width(), shown.height(), shown.pixels()),
        new Picture("", shown.width(), shown.height(), overlay(shown, relevance)));
  }

  /**
   * A grey picture under a heat map.
   *
   * @param relevance [grid, grid], of any scale
   * @return red, green and blue of each pixel
   */
  static byte[] overlay(Image picture, double[] relevance) {
    double least = Arrays.stream(relevance).min().orElse(0);
    double most = Arrays.stream(relevance).max().orElse(0);
    double range = most > least ? most - least : 1;
    int grid = (int) Math.round(Math.sqrt(relevance.length));
    byte[] colors = new byte[3 * picture.width() * picture.height()];
    for (int y = 0; y < picture.height(); y++) {
      for (int x = 0; x < picture.width(); x++) {
        double across = (x + 0.5) * grid / picture.width() - 0.5;
        double down = (y + 0.5) * grid / picture.height() - 0.5;
        double heat = (between(relevance, grid, across, down) - least) / range;
        int grey = picture.at(0, y, x);
        double cover = COVER * heat;
        int at = 3 * (y * picture.width() + x);
        // From dark red by way of red to yellow.
        colors[at] = mix(grey, 128 + 255 * heat, cover);
        colors[at + 1] = mix(grey, 510 * heat - 255, cover);
        colors[at + 2] = mix(grey, 0, cover);
      }
    }
    return colors;
  }

  private static byte mix(int grey, double color, double cover) {
    return (byte) Math.round(grey * (1 - cover) + Math.clamp(color, 0, 255) * cover);
  }

  /** Bilinear between the patches' centres, constant beyond the outermost. */
  private static double between(double[] values, int grid, double x, double y) {
    double column = Math.clamp(x, 0, grid - 1);
    double row = Math.clamp(y, 0, grid - 1);
    int left = (int) column;
    int top = (int) row;
    int right = Math.min(left + 1, grid - 1);
    int bottom = Math.min(top + 1, grid - 1);
    double upper =
        values[top * grid + left] * (1 - (column - left))
            + values[top * grid + right] * (column - left);
    double lower =
        values[bottom * grid + left] * (1 - (column - left))
            + values[bottom * grid + right] * (column - left);
    return upper * (1 - (row - top)) + lower * (row - top);
  }

  @Override
  public void close() {
    rollout.close();
  }
}
