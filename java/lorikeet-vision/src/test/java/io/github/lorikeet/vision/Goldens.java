// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.weights.Checkpoint;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Finds the independent expectations; see README.md beside them. */
public final class Goldens {
  /** The files' order of images in logits.json and in the shared images_u8.safetensors. */
  public static final List<String> IMAGES =
      List.of(
          "normal_0010.jpg",
          "pneumonia_0020.jpg",
          "covid_0001.jpg",
          "normal_0100.jpg",
          "pneumonia_0001.jpg",
          "normal_0001.jpg");

  private static final int SIZE = 224;

  private Goldens() {}

  /** A file or folder that is part of the project, such as {@code vit/vit.pth}. */
  public static Path file(String name) {
    URL url = Goldens.class.getResource("/goldens/" + name);
    if (url == null) {
      throw new AssertionError("no golden file " + name);
    }
    try {
      return Path.of(url.toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  /** A file that stands beside the project only; the test is skipped where it does not. */
  public static Path shared(String name) {
    return besideProject("goldens/" + name);
  }

  /** A radiograph of the shared data set, by file name; skipped where it is absent. */
  public static Path radiograph(String name) {
    return besideProject("data/cxr/images/" + name);
  }

  /**
   * Decoded, resized and cropped images by file name, 224 x 224 grey levels each.
   *
   * @param recipe {@code mrm} or {@code cxr-mae}
   */
  public static Map<String, byte[]> images(String recipe) {
    try (Checkpoint file = Checkpoint.open(file("vit/images_u8.safetensors"))) {
      return images(file, recipe, List.of(file.metadata().get("images").split(" ")));
    }
  }

  /** The same for all of {@link #IMAGES}, in that order; skipped where the file is absent. */
  public static Map<String, byte[]> allImages(String recipe) {
    try (Checkpoint file = Checkpoint.open(shared("vit/images_u8.safetensors"))) {
      return images(file, recipe, IMAGES);
    }
  }

  private static Map<String, byte[]> images(Checkpoint file, String recipe, List<String> names) {
    HostTensor pixels = file.require(recipe, names.size(), SIZE, SIZE);
    Map<String, byte[]> images = new LinkedHashMap<>();
    for (int i = 0; i < names.size(); i++) {
      byte[] image = new byte[SIZE * SIZE];
      pixels.data().asSlice((long) i * image.length, image.length).asByteBuffer().get(image);
      images.put(names.get(i), image);
    }
    return images;
  }

  private static Path besideProject(String name) {
    Path path = Path.of(System.getProperty("lorikeet.root", "."), "..", "shared").resolve(name);
    assumeTrue(Files.exists(path), "../shared/" + name + " is not beside the project");
    return path;
  }
}
