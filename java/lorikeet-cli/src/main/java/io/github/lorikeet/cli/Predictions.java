// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.cli.output.Csv;
import io.github.lorikeet.vision.data.ImageList;
import io.github.lorikeet.vision.train.Scores;
import java.util.ArrayList;
import java.util.List;

/** Scores of a list's images as CSV: {@code path,<label..>}. */
final class Predictions {
  private Predictions() {}

  /**
   * @param logits whether to write logits instead of probabilities
   */
  static String csv(ImageList list, Scores scores, List<String> labelNames, boolean logits) {
    List<String> header = new ArrayList<>(List.of("path"));
    header.addAll(labelNames);
    StringBuilder text = new StringBuilder(Csv.line(header));
    float[] values = new float[scores.labelCount()];
    for (int image = 0; image < scores.images(); image++) {
      for (int label = 0; label < values.length; label++) {
        values[label] =
            logits ? scores.logit(image, label) : (float) scores.probability(image, label);
      }
      text.append(Csv.line(list.name(image), values));
    }
    return text.toString();
  }
}
