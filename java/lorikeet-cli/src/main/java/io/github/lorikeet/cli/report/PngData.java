// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.report;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Base64;
import javax.imageio.ImageIO;
import javax.imageio.stream.MemoryCacheImageOutputStream;

/** Pictures as data URLs. */
final class PngData {
  private PngData() {}

  /** A picture as a PNG within a URL. */
  static String url(Report.Picture picture) {
    BufferedImage image =
        new BufferedImage(
            picture.width(),
            picture.height(),
            picture.isColor() ? BufferedImage.TYPE_INT_RGB : BufferedImage.TYPE_BYTE_GRAY);
    if (picture.isColor()) {
      int[] samples = new int[picture.pixels().length];
      for (int i = 0; i < samples.length; i++) {
        samples[i] = picture.pixels()[i] & 0xFF;
      }
      image.getRaster().setPixels(0, 0, picture.width(), picture.height(), samples);
    } else {
      image.getRaster().setDataElements(0, 0, picture.width(), picture.height(), picture.pixels());
    }
    ByteArrayOutputStream png = new ByteArrayOutputStream();
    // Not through ImageIO's own stream, which makes a temporary file.
    try (MemoryCacheImageOutputStream stream = new MemoryCacheImageOutputStream(png)) {
      ImageIO.write(image, "png", stream);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return "data:image/png;base64," + Base64.getEncoder().encodeToString(png.toByteArray());
  }
}
