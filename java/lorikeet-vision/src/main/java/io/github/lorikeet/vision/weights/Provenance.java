// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a file of weights, or an adapter's, says in its metadata of the training it comes from;
 * other readers pass over it. Whatever the file does not say is null.
 *
 * @param recipe by which the images were prepared that it learnt from, {@value #RECIPE}
 * @param labels what its head's labels are called, {@value #LABELS}
 * @param baseChecksum of an adapter, CRC-32C of the file of the weights that it was trained on,
 *     {@value #BASE_CHECKSUM}
 */
public record Provenance(String recipe, List<String> labels, String baseChecksum) {
  public static final String LABELS = "lorikeet.labels";
  public static final Provenance NONE = new Provenance(null, null, null);
  public static final String RECIPE = "lorikeet.recipe";
  private static final String BASE_CHECKSUM = "lorikeet.base_crc32c";

  public Provenance {
    labels = labels == null ? null : List.copyOf(labels);
  }

  /**
   * @throws WeightsException if it is not what {@link #metadata} writes
   */
  public static Provenance of(Checkpoint checkpoint) {
    Map<String, String> metadata = checkpoint.metadata();
    String base = metadata.get(BASE_CHECKSUM);
    if (base != null && !base.matches("[0-9a-f]{8}")) {
      throw WeightsException.in(
          checkpoint.path(),
          "%s is %s, expected 8 hexadecimal digits"
              .formatted(BASE_CHECKSUM, WeightsException.quote(base)));
    }
    return new Provenance(metadata.get(RECIPE), labels(checkpoint), base);
  }

  private static List<String> labels(Checkpoint checkpoint) {
    String text = checkpoint.metadata().get(LABELS);
    try {
      return text == null ? null : LabelNames.parse(text);
    } catch (IOException e) {
      throw WeightsException.in(
          checkpoint.path(),
          "%s is %s, expected a JSON array of names: %s"
              .formatted(LABELS, WeightsException.quote(text), Json.problem(e)),
          e);
    }
  }

  /** For {@link SafetensorsWriter}. */
  public Map<String, String> metadata() {
    Map<String, String> metadata = new TreeMap<>();
    if (recipe != null) {
      metadata.put(RECIPE, recipe);
    }
    if (labels != null) {
      metadata.put(LABELS, LabelNames.toJson(labels));
    }
    if (baseChecksum != null) {
      metadata.put(BASE_CHECKSUM, baseChecksum);
    }
    return metadata;
  }
}
